"""Makes Re-DocRED-500, a benchmark small enough for a CPU, from Re-DocRED's dev and test files.

train: dev_revised.json; dev: the first 250 documents of test_revised.json; test: the last 250. Given DocRED's
test.json, whose 1,000 documents have entities but no labels, also entities: train and those of them that are in no
split, for models that find entities.

usage: python -m scripts.redocred500 FOLDER-WITH-dev_revised.json-AND-test_revised.json [data/redocred500 [test.json]]
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

from docre.core import cli
from docre.core.files import read_json, write_json
from docre.errors import DocreError


def main(arguments: list[str]) -> None:
    if not 1 <= len(arguments) <= 3:
        raise DocreError("usage: python -m scripts.redocred500 FOLDER [OUTPUT [TEST-OF-DOCRED]]")
    source, output = Path(arguments[0]), Path(arguments[1] if len(arguments) > 1 else "data/redocred500")
    test: list[Any] = read_json(source / "test_revised.json")
    splits = {"train": read_json(source / "dev_revised.json"), "dev": test[:250], "test": test[250:]}
    if len(arguments) > 2:
        known = {text_of(document) for documents in splits.values() for document in documents}
        further = [document for document in read_json(arguments[2]) if text_of(document) not in known]
        splits["entities"] = splits["train"] + further
    for split, documents in splits.items():
        write_json(output / f"{split}.json", documents, indent=None)
        print(f"{output / split}.json: {len(documents)} documents")


def text_of(document: Any) -> str:
    """The tokens of a document, by which the same document in two files is known."""
    return " ".join(token for sentence in document["sents"] for token in sentence)


if __name__ == "__main__":
    cli.run(partial(main, sys.argv[1:]))
