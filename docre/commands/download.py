"""docre download NAME: download a benchmark from where its authors publish it into data/NAME/."""

import argparse
from pathlib import Path

from docre.data.readers import iterate
from docre.download.fetch import checksum_file, discard, fetch
from docre.download.sources import SOURCES, Source
from docre.download.unpack import gunzip, unzip
from docre.errors import DocreError


def main(arguments: list[str]) -> None:
    """Download a benchmark into a folder of its own and check it, or print the steps by hand."""
    parser = argparse.ArgumentParser(
        prog="docre download",
        description="Download a benchmark from where its authors publish it and check it, or print the steps by hand.\n"
        "An interrupted download is resumed.",
        epilog="\n".join(f"{name:<16}{source.title}" for name, source in SOURCES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=list(SOURCES), help="the benchmark")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="the folder that gets a folder NAME (%(default)s)",
    )
    options = parser.parse_args(arguments)
    download(SOURCES[options.name], options.output / options.name)


def download(source: Source, folder: Path) -> None:
    """Download a benchmark into a folder; print its license, its citation, and its files with numbers of documents.

    Raises DocreError, after printing the steps by hand, if the server cannot be reached or if files are missing that
    docre cannot download. Also raises it if a file has another number of documents than published.
    """
    print(f"{source.title}\nlicense: {source.license}\nplease cite: {source.citation}", flush=True)
    try:
        fetch_missing(source, folder)
        missing = missing_documents(source, folder)
        if missing:
            raise DocreError(
                f"{folder}: not complete: {', '.join(missing)} must be put there by hand, as described above"
            )
    except DocreError:
        print(f"\nby hand:\n{source.manual.format(folder=folder)}\n", flush=True)
        raise
    for name, expected in source.documents.items():
        actual = sum(1 for _ in iterate(folder / name, source.reader))
        if actual != expected:
            raise DocreError(f"{folder / name}: expected {expected:,} documents, got {actual:,}")
        print(f"{folder / name}: {actual:,} documents")
    if source.note:
        print(f"note: {source.note}")


def fetch_missing(source: Source, folder: Path) -> None:
    """Download and unpack the files that are missing, and check the checksums of those that exist."""
    missing = missing_documents(source, folder)
    for file in source.downloads:
        path = folder / file.name
        if not missing and not path.is_file():
            continue  # every file that it would be unpacked to exists
        new = fetch(file.url, path, file.sha256)
        print(f"{path}: {'fetched from ' + file.url if new else 'is there already'}", flush=True)
        if not (new or missing):
            continue
        try:
            if file.members:
                unzip(path, file.members, folder)
            elif path.suffix == ".gz":
                gunzip(path, folder)
        except DocreError:
            if file.sha256 is None:  # perhaps a page of a proxy: the next call fetches it again
                discard(path)
                discard(checksum_file(path))
            raise


def missing_documents(source: Source, folder: Path) -> list[str]:
    """The data files that do not exist yet."""
    return [name for name in source.documents if not (folder / name).is_file()]
