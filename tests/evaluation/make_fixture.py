"""Writes tests/fixtures/submission.json, predictions for data/synthetic/test.json with every kind of mistake, and
scores.json, the scores that the brute-force scorer gives them.

    python -m tests.evaluation.make_fixture
"""

import json
import random

from docre.data.readers import read
from docre.documents import Prediction
from docre.evaluation import write_submission
from tests.conftest import ROOT
from tests.evaluation.brute_force import brute_force

FOLDER, DATA = ROOT / "tests" / "fixtures", ROOT / "data" / "synthetic"
SHOWN = ("p", "r", "f1", "ign_f1", "macro_f1", "intra", "inter", "frequent", "long_tail", "evidence")


def main() -> None:
    rng = random.Random(0)
    gold, train = read(DATA / "test.json"), read(DATA / "train.json")
    made = []
    for document in gold:
        relations = sorted({t.relation for t in document.triples})
        for t in document.triples:
            if rng.random() < 0.7:
                evidence = [s for s in range(len(document.sentences)) if (s in t.evidence) != (rng.random() < 0.2)]
                made.append(Prediction(document.title, t.head, t.tail, t.relation, evidence=tuple(evidence)))
            if rng.random() < 0.3:
                made.append(Prediction(document.title, t.tail, t.head, rng.choice(relations)))
    made += [made[0], Prediction("no such document", 0, 1, relations[0]), Prediction(gold[0].title, 99, 0, "P0")]
    write_submission(FOLDER / "submission.json", made)
    scores = brute_force(made, gold, train)
    (FOLDER / "scores.json").write_text(json.dumps({name: scores[name] for name in SHOWN}, indent=2) + "\n")


if __name__ == "__main__":
    main()
