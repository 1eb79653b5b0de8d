"""docre convert --reader NAME --input FILE --output FILE.json: convert documents of any format to DocRED JSON."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from docre.config.loading import import_plugins
from docre.config.options import add_plugins
from docre.core.files import check_output
from docre.data.readers import READERS, read
from docre.data.readers.docred import parse_document, to_json, write_docred
from docre.documents import Document
from docre.errors import DocreError


def main(arguments: list[str]) -> None:
    """Read documents in any format and write them as DocRED JSON."""
    parser = argparse.ArgumentParser(
        prog="docre convert",
        description="Read documents in any format that docre knows, and write them as DocRED JSON, with the candidate "
        "pairs under the key 'pairs' where the format restricts them.",
    )
    parser.add_argument("--reader", required=True, metavar="NAME", help=f"the format: {', '.join(READERS)}")
    parser.add_argument("--input", required=True, type=Path, metavar="FILE", help="the documents")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="the file to write")
    add_plugins(parser)
    options = parser.parse_args(arguments)
    check_output(options.output, [options.input], [".json"])
    import_plugins(options.plugins, "--plugins")
    documents = read(options.input, options.reader)
    convert(documents, options.output)
    triples = sum(len(document.triples or ()) for document in documents)
    print(f"{options.output}: {len(documents):,} documents, {triples:,} triples; checked to read back the same")


def convert(documents: Sequence[Document], path: Path) -> None:
    """Write documents as DocRED JSON, after checking that reading them back gives the same documents.

    Raises DocreError if it does not, or if `path` cannot be written; `path` is left as it was then.
    """
    for document in documents:
        item = to_json(document)
        if to_json(parse_document(json.loads(json.dumps(item)))) != item:
            raise DocreError(f"{path}: {document.fail('would not read back the same; nothing written')}")
    write_docred(path, documents)
