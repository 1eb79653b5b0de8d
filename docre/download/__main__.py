"""python -m docre.download NAME: a benchmark from its official source into data/NAME/."""

import argparse
from pathlib import Path

from docre import cli
from docre.data import read
from docre.download.fetch import fetch
from docre.download.sources import SOURCES, Source
from docre.download.unpack import gunzip, unzip
from docre.errors import DocreError


def main(arguments: list[str]) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m docre.download",
        description="Fetch a benchmark from where its authors publish it, check it, and say what is left to do by hand. "
        "An interrupted download goes on where it was.",
        epilog="\n".join(f"{name:<10}{source.title}" for name, source in SOURCES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=list(SOURCES), help="the benchmark")
    parser.add_argument("--output", type=Path, default=Path("data"), metavar="DIR", help="(%(default)s)")
    options = parser.parse_args(arguments)
    download(SOURCES[options.name], options.output / options.name)


def download(source: Source, folder: Path) -> None:
    """Fetch a benchmark into a folder; prints its licence, what to cite, and what is there in the end.

    Raises DocreError, after printing the steps by hand, where a source cannot be reached, or files are missing that
    docre cannot fetch.
    """
    print(f"{source.title}\nlicence: {source.licence}\nplease cite: {source.citation}", flush=True)
    missing = [name for name in source.documents if not (folder / name).is_file()]
    try:
        if missing or not by_hand(source):
            get(source, folder)
        missing = [name for name in source.documents if not (folder / name).is_file()]
        if missing:
            raise DocreError(f"{folder}: not complete: {', '.join(missing)} must be put there by hand, as said above")
    except DocreError:
        print(f"\nby hand:\n{source.manual.format(folder=folder)}\n", flush=True)
        raise
    for name, expected in source.documents.items():
        found = len(read(folder / name, source.reader))
        if found != expected:
            raise DocreError(f"{folder / name}: expected {expected:,} documents, got {found:,}")
        print(f"{folder / name}: {found:,} documents")
    if source.note:
        print(f"note: {source.note}")


def by_hand(source: Source) -> bool:
    """Whether the documents themselves must be made by hand, and only what they are made of can be fetched."""
    fetched = {name for file in source.downloads for name in (file.name, file.name.removesuffix(".gz"), *file.members)}
    return not set(source.documents) <= fetched


def get(source: Source, folder: Path) -> None:
    """Fetch and unpack the files of a source."""
    for file in source.downloads:
        path = folder / file.name
        new = fetch(file.url, path, file.sha256)
        print(f"{path}: {'fetched from ' + file.url if new else 'is there already'}", flush=True)
        if file.members:
            unzip(path, file.members, folder)
        elif path.suffix == ".gz":
            gunzip(path, folder)


if __name__ == "__main__":
    cli.run(main)
