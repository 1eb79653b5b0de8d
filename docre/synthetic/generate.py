"""Generates the documents of the three splits."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from docre.core.files import write_json, write_text
from docre.documents import Document
from docre.documents.docred import to_json
from docre.synthetic.clauses import ClauseGenerator
from docre.synthetic.dice import Dice
from docre.synthetic.knobs import Knobs
from docre.synthetic.rules import RELATIONS
from docre.synthetic.world import StoryGenerator, draw_countries
from docre.synthetic.writer import DocumentWriter


@dataclass(frozen=True)
class Counts:
    """The number of documents in each split."""

    train: int = 300
    dev: int = 60
    test: int = 100


def corpus(seed: int, counts: Counts, knobs: Knobs) -> dict[str, list[Document]]:
    """The documents of the splits "train", "dev" and "test".

    Every training document tells a story of its own. A dev or test document either tells one of these stories again
    (with probability knobs.retold), or a new one, set in countries that do not occur in train. With the same seed, a
    larger training set begins with the documents of a smaller one.
    """
    countries = draw_countries(str(seed))
    known, new = countries[: len(countries) * 2 // 3], countries[len(countries) * 2 // 3 :]
    train: list[DocumentWriter] = []
    documents: dict[str, list[Document]] = {}
    for split, count in (("train", counts.train), ("dev", counts.dev), ("test", counts.test)):
        documents[split] = []
        for i in range(count):
            dice = Dice(f"{seed}/{split}/{i}")
            old = dice.pick(train) if split != "train" and train and dice.chance(knobs.retold) else None
            story = old.story if old else StoryGenerator(dice, known if split == "train" else new).story
            clauses = ClauseGenerator(story, dice, knobs, split != "train", old.clauses if old else ())
            writer = DocumentWriter(story, dice, knobs, clauses)
            documents[split].append(writer.document(f"{split} {i}"))
            if split == "train":
                train.append(writer)
    return documents


def write_corpus(folder: Path, seed: int = 66, counts: Counts = Counts()) -> None:
    """Write train.json, dev.json, test.json and rel_info.json, the names of the relations, into a folder."""
    for split, documents in corpus(seed, counts, Knobs()).items():
        write_text(folder / f"{split}.json", to_lines(documents))
    write_json(folder / "rel_info.json", RELATIONS)


def to_lines(documents: Sequence[Document]) -> str:
    """The documents as DocRED JSON, one document per line."""
    lines = (json.dumps(to_json(document), ensure_ascii=False, separators=(",", ":")) for document in documents)
    return "[\n" + ",\n".join(lines) + "\n]\n"
