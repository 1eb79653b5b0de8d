"""Makes Re-DocRED-500, a benchmark small enough for a CPU, from Re-DocRED's dev and test files.

train: dev_revised.json; dev: the first 250 documents of test_revised.json; test: the last 250.

usage: python scripts/redocred500.py FOLDER-WITH-dev_revised.json-AND-test_revised.json [data/redocred500]
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

from docre.core import cli
from docre.core.files import read_json, write_json
from docre.errors import DocreError


def main(arguments: list[str]) -> None:
    if len(arguments) not in (1, 2):
        raise DocreError("usage: python scripts/redocred500.py FOLDER [OUTPUT]")
    source, output = Path(arguments[0]), Path(arguments[1] if len(arguments) == 2 else "data/redocred500")
    test: list[Any] = read_json(source / "test_revised.json")
    splits = {"train": read_json(source / "dev_revised.json"), "dev": test[:250], "test": test[250:]}
    for split, documents in splits.items():
        write_json(output / f"{split}.json", documents, indent=None)
        print(f"{output / split}.json: {len(documents)} documents")


if __name__ == "__main__":
    cli.run(partial(main, sys.argv[1:]))
