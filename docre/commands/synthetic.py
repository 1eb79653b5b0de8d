"""docre synthetic: generate a synthetic corpus."""

import argparse
from dataclasses import asdict
from pathlib import Path

from docre.errors import DocreError
from docre.synthetic.generate import Counts, write_corpus


def main(arguments: list[str]) -> None:
    """Write train.json, dev.json, test.json and rel_info.json."""
    options = parser().parse_args(arguments)
    for split in ("train", "dev", "test"):
        if getattr(options, split) < 1:
            raise DocreError(f"--{split}: expected at least 1 document, got {getattr(options, split)}")
    write_corpus(options.output, options.seed, Counts(options.train, options.dev, options.test))


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    result = argparse.ArgumentParser(
        prog="docre synthetic",
        description="Generate a small synthetic corpus as DocRED JSON. The same options give the same corpus.",
    )
    result.add_argument(
        "--output",
        type=Path,
        default=Path("data/synthetic"),
        metavar="DIR",
        help="the folder to write to (%(default)s)",
    )
    result.add_argument("--seed", type=int, default=66, help="another seed gives another corpus (%(default)s)")
    for split, count in asdict(Counts()).items():
        result.add_argument(
            f"--{split}", type=int, default=count, metavar="N", help="number of documents (%(default)s)"
        )
    return result
