"""What scripts.audit measures."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docre.analysis.table import MarginTable
from docre.audit import Audit
from docre.audit.damage import Damage, cells_of, marked
from docre.audit.judging import Judgment
from docre.commands import evaluate
from docre.config.loading import load_config
from docre.data.readers import read
from docre.documents import Document, Entity, Mention, Triple
from docre.errors import DocreError
from scripts.audit import __main__ as script
from scripts.audit.__main__ import main
from scripts.audit.measures import audited
from scripts.audit.ranking import quality
from tests.analysis.conftest import config, corpus  # noqa: F401  # fixtures

QUICKSTART = Path(__file__).parents[2] / "configs" / "quickstart.yaml"


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=140))
def test_quality_is_that_of_a_loop(candidates):
    order = sorted(range(len(candidates)), key=lambda i: (-candidates[i][0], i))
    hits = [candidates[i][1] for i in order]
    total = sum(hits)
    found = quality(np.array([s for s, _ in candidates], float), np.array([r for _, r in candidates]))
    first = hits[:100]
    assert found["at_100"] == (pytest.approx(sum(first) / len(first)) if first else None)
    assert found["at_500"] == (pytest.approx(total / len(hits)) if hits else None)  # as there are not 500 candidates
    assert found["right"] == total
    if total:
        precisions = [sum(hits[: k + 1]) / (k + 1) for k in range(len(hits)) if hits[k]]
        assert found["average_precision"] == pytest.approx(np.mean(precisions))
        assert found["at_all"] == pytest.approx(sum(hits[:total]) / total)
    else:
        assert found["average_precision"] is None


def test_the_rankings_are_judged_by_what_was_damaged():
    """Three documents with one pair each and two relations; the judgments are of groups of one and two documents."""
    relations = ("P0", "P1")
    entities = [Entity([Mention(name, 0, i, i + 1, "PER")]) for i, name in enumerate("AB")]
    labels_of = ([Triple(0, 1, "P0")], [Triple(0, 1, "P1")], [])
    documents = [Document(f"d{i}", [["A", "B"]], entities, triples) for i, triples in enumerate(labels_of)]
    known = Damage(documents, missing=frozenset({(2, 0, 1, "P1"), (0, 0, 1, "P1")}), wrong=frozenset({(1, 0, 1, "P1")}))
    probe = (1, 0, 1, "P0")  # the audit itself has hidden it: it is no candidate
    held_out = np.array([[0.9, 0.3], [0.95, 0.6], [0.5, 0.4]])  # finds neither at once
    everyone = np.array([[0.9, 0.6], [0.95, 0.3], [0.1, 0.7]])  # finds everything at once

    class Judged(Audit):
        def judgments(self):
            for rows in ([1], [0, 2]):
                labels = np.array([[True, False], [False, True], [False, False]])[rows]
                place, one = np.arange(len(rows)), np.ones(len(rows), int)
                margins = np.zeros((len(rows), 2))
                titles = tuple(documents[i].title for i in rows)
                table = MarginTable(titles, relations, place, 0 * one, one, labels, labels, margins, margins)
                judgment = Judgment(table, held_out[rows], everyone[rows], everyone[rows] > 0.5, relations)
                yield rows, [documents[i] for i in rows], judgment, marked(table, frozenset({probe}), rows)

    probes = Damage(documents, frozenset({probe}), frozenset())
    audit = Judged(load_config(QUICKSTART, []), "d.json", "", documents, probes, [[1], [0, 2]], 1, Path())
    found, suggestions = audited(audit, known)
    assert [s.document for s in suggestions if s.kind == "wrong"] == [1, 0]
    assert found["audit"]["missing"]["average_precision"] == found["audit"]["wrong"]["average_precision"] == 1
    # of the unlabeled triples the models alone put the missing ones at the second and third of three places
    assert found["held_out"]["missing"]["average_precision"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found["held_out"]["wrong"]["average_precision"] == 1
    assert found["audit"]["missing"]["candidates"] == 3 and len(suggestions) == 5
    for kind, right in (("missing", 2), ("wrong", 1)):
        bins = found["audit"][kind]["bins"]
        of_kind = [s.probability for s in suggestions if s.kind == kind]
        assert sum(b["triples"] for b in bins) == len(of_kind)
        assert sum(b["triples"] * b["right"] for b in bins) == pytest.approx(right)
        assert sum(b["triples"] * b["confidence"] for b in bins) == pytest.approx(sum(of_kind))


@pytest.mark.parametrize(("option", "share"), [("--share", "1.5"), ("--wrong", "1"), ("--share", "-0.1")])
def test_a_share_is_below_one(option, share, tmp_path):
    with pytest.raises(DocreError, match=f"{option}: expected a share from 0 to below 1"):
        main(["--config", str(QUICKSTART), option, share, "--runs", str(tmp_path), "--results", str(tmp_path)])


def test_a_measurement(config, corpus, tmp_path, monkeypatch):  # noqa: F811
    """All suggestions are applied: a reviewer accepts only what was damaged, and the threshold is that of evaluate."""
    monkeypatch.setattr(script, "ACCEPTED", 0.0)
    runs, results = tmp_path / "runs", tmp_path / "results"
    options = ["--config", str(config), "--wrong", "0.2", "--runs", str(runs), "--results", str(results)]
    for model in ("damaged", "reviewed"):  # the second call keeps what the first has found
        main([*options, "--seeds", "1", "--set", "loss.name=atl", "--models", model])
    (folder,) = runs.iterdir()
    files = {name: next(folder.rglob(f"{name}.json")) for name in ("damaged", "corrected", "reviewed")}
    cells = {name: cells_of(read(file, "docred")) for name, file in files.items()}
    complete = cells_of(read(corpus / "train.json", "docred"))
    added, removed = cells["reviewed"] - cells["damaged"], cells["damaged"] - cells["reviewed"]
    assert added and removed and added <= complete and not removed & complete
    assert not (cells["reviewed"] ^ cells["corrected"]) & (added | removed)
    (found,) = (json.loads(path.read_text()) for path in results.glob("*.json"))
    assert (len(added), len(removed)) == (found["applied"]["added_right"], found["applied"]["removed_right"])
    for model, run in (("damaged", folder / "damaged"), ("reviewed", files["reviewed"].parent / "reviewed")):
        scores = tmp_path / f"{model}.json"
        data = ["--data", str(corpus / "test.json"), "--dev", str(corpus / "dev.json"), "--json", str(scores)]
        evaluate.main(["--checkpoint", str(run), *data])
        assert found["trained"][model]["f1_fitted"] == json.loads(scores.read_text())["f1"]
    assert f"{100 * found['trained']['reviewed']['f1_fitted']:.2f} |" in (results / "README.md").read_text()
