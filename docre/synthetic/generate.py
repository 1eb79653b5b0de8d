"""The three splits: which stories they tell."""

from dataclasses import dataclass

from docre.documents import Document
from docre.synthetic.clauses import Source
from docre.synthetic.dice import Dice
from docre.synthetic.knobs import Knobs
from docre.synthetic.tell import Telling
from docre.synthetic.world import Teller, draw_map


@dataclass(frozen=True)
class Counts:
    """How many documents each split has."""

    train: int = 300
    dev: int = 60
    test: int = 100


def corpus(seed: int, counts: Counts, knobs: Knobs) -> dict[str, list[Document]]:
    """The documents of "train", "dev" and "test".

    Every document of train tells a story of its own. Those of dev and test retell one of them (knobs.retold), or tell
    a new one, in countries that train does not know. The first documents of a split stay the same when it grows.
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
            story = old.story if old else Teller(dice, known if split == "train" else new).story
            source = Source(story, dice, knobs, split != "train", old.clauses if old else ())
            telling = Telling(story, dice, knobs, source)
            document = telling.document("")
            title = f"{document.entities[0].name} ({split} {i})"
            documents[split].append(telling.document(title))
            if split == "train":
                train.append(telling)
    return documents
