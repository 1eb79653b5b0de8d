"""docre download NAME: a benchmark from its official source into data/NAME/."""

import argparse
from pathlib import Path

from docre.data.readers import read
from docre.download.fetch import fetch
from docre.download.sources import SOURCES, Source
from docre.download.unpack import gunzip, unzip
from docre.errors import DocreError


def main(arguments: list[str]) -> None:
    """Fetch a benchmark into a folder of its own, and check it."""
    parser = argparse.ArgumentParser(
        prog="docre download",
        description="Fetch a benchmark from where its authors publish it, check it, and say what is to do by hand.\n"
        "An interrupted download goes on where it was.",
        epilog="\n".join(f"{name:<10}{source.title}" for name, source in SOURCES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=list(SOURCES), help="the benchmark")
    parser.add_argument("--output", type=Path, default=Path("data"), metavar="DIR", help="(%(default)s)")
    options = parser.parse_args(arguments)
    download(SOURCES[options.name], options.output / options.name)


def download(source: Source, folder: Path) -> None:
    """Fetch a benchmark into a folder; prints its license, what to cite, and what is there in the end.

    Raises DocreError, after printing the steps by hand, where a source cannot be reached, or files are missing that
    docre cannot fetch.
    """
    print(f"{source.title}\nlicence: {source.license}\nplease cite: {source.citation}", flush=True)
    try:
        get(source, folder)
        missing = missing_documents(source, folder)
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


def get(source: Source, folder: Path) -> None:
    """Fetch and unpack what is missing of a source, and check what is there."""
    missing = missing_documents(source, folder)
    for file in source.downloads:
        path = folder / file.name
        if not missing and not path.is_file():
            continue  # what was unpacked from it is all there
        new = fetch(file.url, path, file.sha256)
        print(f"{path}: {'fetched from ' + file.url if new else 'is there already'}", flush=True)
        if file.members and (new or missing):
            unzip(path, file.members, folder)
        elif path.suffix == ".gz" and (new or missing):
            gunzip(path, folder)


def missing_documents(source: Source, folder: Path) -> list[str]:
    """The files of documents that are not there yet."""
    return [name for name in source.documents if not (folder / name).is_file()]
