"""The three splits: which stories they tell."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from docre.documents import Document
from docre.synthetic.clauses import Source
from docre.synthetic.dice import Dice
from docre.synthetic.knobs import Knobs
from docre.synthetic.tell import Telling
from docre.synthetic.world import Inventor, draw_map


@dataclass(frozen=True)
class Counts:
    """How many documents each split has."""

    train: int = 300
    dev: int = 60
    test: int = 100


def corpus(seed: int, counts: Counts, knobs: Knobs) -> dict[str, list[Document]]:
    """The documents of "train", "dev" and "test".

    Every document of train tells a story of its own. Those of dev and test retell one of them (knobs.retold), or tell
    a new one, in countries that train does not know. A longer train begins with the documents of a shorter one.
    """
    countries = draw_map(str(seed))
    known, new = countries[: len(countries) * 2 // 3], countries[len(countries) * 2 // 3 :]
    train: list[Telling] = []
    documents: dict[str, list[Document]] = {}
    for split, count in (("train", counts.train), ("dev", counts.dev), ("test", counts.test)):
        documents[split] = []
        for i in range(count):
            dice = Dice(f"{seed}/{split}/{i}")
            old = dice.pick(train) if split != "train" and train and dice.chance(knobs.retold) else None
            story = old.story if old else Inventor(dice, known if split == "train" else new).story
            source = Source(story, dice, knobs, split != "train", old.clauses if old else ())
            telling = Telling(story, dice, knobs, source)
            documents[split].append(telling.document(f"{split} {i}"))
            if split == "train":
                train.append(telling)
    return documents


def to_json(documents: Sequence[Document]) -> str:
    """DocRED JSON with one document on a line."""
    lines = (json.dumps(to_docred(document), ensure_ascii=False, separators=(",", ":")) for document in documents)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def to_docred(document: Document) -> dict[str, Any]:
    """A labelled document as DocRED has it."""
    return {
        "title": document.title,
        "sents": document.sentences,
        "vertexSet": [
            [{"name": m.name, "sent_id": m.sentence, "pos": [m.start, m.end], "type": m.type} for m in entity.mentions]
            for entity in document.entities
        ],
        "labels": [
            {"h": t.head, "t": t.tail, "r": t.relation, "evidence": list(t.evidence)} for t in document.triples or ()
        ],
    }
