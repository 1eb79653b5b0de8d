"""docre audit: cross-fitting, what the judges say, and how it goes on after an interruption."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from docre.analysis.platt import fit_platt, sigmoid
from docre.audit import folds, judging, read_suggestions
from docre.audit.damage import Damage, damage
from docre.audit.faults import Faults
from docre.audit.judging import common_sentences, score
from docre.commands import audit
from docre.data.readers import read
from docre.documents import Document, Entity, Mention, Triple
from docre.errors import DocreError
from docre.inference.checkpoint import load
from docre.inference.probe import margin_table
from tests.analysis.conftest import config, corpus  # noqa: F401  # fixtures

FOLDS, SEEDS, PROBES = 2, 2, 2


@pytest.fixture(scope="module")
def audited(config, tmp_path_factory) -> Path:  # noqa: F811
    """The folder of an audit with two folds and two models for each."""
    folder = tmp_path_factory.mktemp("audit") / "out"
    audit.main(arguments(config, folder))
    return folder


def with_probes(documents: list[Document]) -> Damage:
    """What the models of `audited` are trained on: 24 labels, of which at most 5%, but at least one, are probes."""
    labels = sum(len(document.triples) for document in documents)
    assert round(0.05 * labels) == 1
    return damage(documents, 1 / (labels - 1), 1 / (labels - 1), seed=66)


def arguments(config, folder, *more) -> list[str]:  # noqa: F811
    counts = ["--folds", str(FOLDS), "--seeds", str(SEEDS), "--probes", str(PROBES)]
    return ["--config", str(config), "--output", str(folder), *counts, "loss.name=atl", *more]


def test_the_summary(audited, config, corpus, capsys):  # noqa: F811
    """What is printed, against what is written."""
    audit.main(arguments(config, audited))
    said = capsys.readouterr().out.splitlines()
    documents = read(corpus / "train.json", "docred")
    labels = sum(len(d.triples) for d in documents)
    probes = with_probes(documents)
    start = next(i for i, line in enumerate(said) if line.startswith(f"of {labels} labels about "))
    assert said[start + 1] == (
        f"{len(probes.missing)} labels had been hidden from the models, and {len(probes.wrong)} replaced "
        "(so few that all figures are rough):"
    )
    found = read_suggestions(audited / "audit.json").suggestions
    for line, least in zip(said[start + 3 :], (0.9, 0.7, 0.5), strict=False):
        _, _, stated, missing, hidden, wrong, replaced = line.split()
        counts = [sum(s.kind == kind and s.probability >= least for s in found) for kind in ("missing", "wrong")]
        assert (float(stated), int(missing.replace(",", "")), int(wrong.replace(",", ""))) == (least, *counts)
        assert hidden.endswith("%") and replaced.endswith("%")
    judged = sum(s.kind == "wrong" for s in found) + len(probes.missing)
    assert any("could not be judged" in line for line in said) == (judged < labels)


def test_runs_are_trained_with_the_probes(audited, corpus):  # noqa: F811
    probes = with_probes(read(corpus / "train.json", "docred"))
    assert probes.missing and probes.wrong
    expected = {d.title: d.triples for d in probes.documents}
    for k in range(FOLDS):
        for document in read(audited / "data" / f"without-fold-{k + 1}.json", "docred"):
            assert document.triples == expected[document.title]


def test_no_judge_has_seen_what_it_judges(audited, corpus):  # noqa: F811
    everything = {d.title for d in read(corpus / "train.json", "docred")}
    trained = [{d.title for d in read(audited / "data" / f"without-fold-{k + 1}.json", "docred")} for k in range(FOLDS)]
    held_out = [everything - titles for titles in trained]
    assert set.union(*held_out) == everything and sum(map(len, held_out)) == len(everything)
    assert all(len(titles) == len(everything) // FOLDS for titles in held_out)
    for k in range(FOLDS):
        runs = sorted(audited.glob(f"fold-{k + 1}-seed-*"))
        files = {json.loads((run / "metrics.json").read_text())["data"]["data.train file"] for run in runs}
        assert len(runs) == SEEDS and len(files) == 1


def test_suggestions_are_what_the_models_say(audited, corpus):  # noqa: F811
    """Against loops over documents, pairs and relations, with the models of the runs themselves."""
    documents = read(corpus / "train.json", "docred")
    probes = with_probes(documents)
    chances, labels, votes = {}, {}, {}
    for k in range(FOLDS):
        for run in sorted(audited.glob(f"fold-{k + 1}-seed-*")):
            model = load(run)
            for position, document in enumerate(probes.documents):
                table = margin_table(model, [document])
                for pair, r in np.ndindex(table.margins.shape):
                    cell = (position, int(table.head[pair]), int(table.tail[pair]), table.relations[r])
                    p = sigmoid(model.calibration.platt.log_odds(float(table.margins[pair, r])))
                    chances.setdefault(cell, []).append(float(p))
                    votes.setdefault(cell, []).append(bool(table.predicted[pair, r]))
                    labels[cell] = bool(table.labels[pair, r])
    assert {len(found) for found in chances.values()} == {SEEDS * FOLDS}
    p = {cell: float(np.mean(of_judges)) for cell, of_judges in chances.items()}
    known = probes.missing | probes.wrong
    faults = {"missing": Faults(), "wrong": Faults()}
    for cell in p:
        kind = "wrong" if labels[cell] else "missing"
        faults[kind].add(np.array([score(p[cell], kind)]), np.array([cell in known]))
    found = read_suggestions(audited / "audit.json").suggestions
    by_cell = {(s.document, s.head, s.tail, s.relation): s for s in found}
    assert len(by_cell) == len(found)
    assert set(by_cell) == {cell for cell in p if (labels[cell] or p[cell] >= 0.02) and cell not in known}
    for kind in faults:
        faults[kind].fit()
        assert faults[kind].counts[1].sum() == {"missing": len(probes.missing), "wrong": len(probes.wrong)}[kind]
    for cell, s in by_cell.items():
        assert s.kind == ("wrong" if labels[cell] else "missing")
        near = faults[s.kind].probability(score(p[cell], s.kind) + np.array([-0.02, 0, 0.02]))  # a bin has 0.05
        assert near.min() - 1e-6 <= s.probability <= near.max() + 1e-6
        share = np.mean(votes[cell])
        assert s.agreement == pytest.approx(1 - share if labels[cell] else share, abs=1e-4)
    assert [s.probability for s in found] == sorted((s.probability for s in found), reverse=True)


def test_evidence(audited, corpus):  # noqa: F811
    documents = read(corpus / "train.json", "docred")
    for s in read_suggestions(audited / "audit.json").suggestions:
        document = documents[s.document]
        given = {t.evidence for t in document.triples if (t.head, t.tail, t.relation) == (s.head, s.tail, s.relation)}
        assert s.evidence and max(s.evidence) < len(document.sentences)
        assert not given or s.evidence in given
    entities = [Entity(tuple(Mention("a", s, 0, 1) for s in on)) for on in ((0, 1), (1, 2), (2,))]
    document = Document("t", [["a"]] * 3, entities)
    assert common_sentences(document, 0, 1) == (1,)
    assert common_sentences(document, 0, 2) == (0, 1, 2)


def test_the_same_command_trains_nothing_again(audited, config, capsys):  # noqa: F811
    before = (audited / "audit.json").read_bytes()
    times = {path: path.stat().st_mtime_ns for path in audited.glob("fold-*/metrics.json")}
    audit.main(arguments(config, audited))
    assert (audited / "audit.json").read_bytes() == before
    assert times == {path: path.stat().st_mtime_ns for path in audited.glob("fold-*/metrics.json")}
    assert capsys.readouterr().out.count("is finished already") == FOLDS * SEEDS


def test_another_audit_in_the_same_folder_is_refused(audited, config):  # noqa: F811
    with pytest.raises(DocreError, match=r"stale: .*seed-66.*loss\.name"):
        audit.main([*arguments(config, audited)[:-1], "loss.name=afl"])


def test_bad_input(config, corpus, tmp_path):  # noqa: F811
    from docre.data.readers.docred import write_docred

    for option, message in ((["--folds", "9"], "--folds: expected"),
                            (["--folds", "0"], "--folds: expected 1 to 8"),
                            (["--seeds", "0"], "--seeds: expected at least 1"),
                            (["--probes", "0"], "--probes: expected at least 1")):  # fmt: skip
        with pytest.raises(DocreError, match=message):
            audit.main(["--config", str(config), "--output", str(tmp_path / "o"), *option])
    documents = read(corpus / "train.json", "docred")
    unlabeled = Document("bare", documents[0].sentences, documents[0].entities)
    write_docred(tmp_path / "d.json", [*documents, unlabeled])
    with pytest.raises(DocreError, match="document 'bare': no labels, so there is nothing to audit"):
        audit.main(["--config", str(config), "--data", str(tmp_path / "d.json"), "--output", str(tmp_path / "o")])
    few = replace(documents[0], triples=documents[0].triples[:9])
    write_docred(tmp_path / "few.json", [few, replace(few, title="2", triples=[])])
    with pytest.raises(DocreError, match=r"few.json: expected at least 10 labels to audit, got \d$"):
        audit.main([*arguments(config, tmp_path / "o"), "--data", str(tmp_path / "few.json")])
    assert not (tmp_path / "o" / "data").exists()
    for wrong in (["--apply", "x", "--folds", "3"], ["--config", str(config), "--at-least", "0.5"]):
        with pytest.raises(SystemExit) as end:
            audit.main([*wrong, "--output", str(tmp_path / "o")])
        assert end.value.code == 2


def test_one_fold_is_judged_by_a_model_of_all_documents(config, corpus, tmp_path):  # noqa: F811
    output = tmp_path / "o"
    audit.main(["--config", str(config), "--output", str(output), "--seeds", "1"])
    everything = read(corpus / "train.json", "docred")
    assert [d.title for d in read(output / "data/all.json", "docred")] == [d.title for d in everything]
    found = read_suggestions(output / "audit.json").suggestions
    assert {s.document for s in found} == set(range(len(everything))) and {s.agreement for s in found} == {None}
    assert [path.name for path in output.glob("fold-*")] == ["fold-1-seed-66"]


def test_without_dev_documents(config, tmp_path, monkeypatch):  # noqa: F811
    """Each judge's margins are scaled in one way for all documents, however few are judged at once."""
    scaled = []
    monkeypatch.setattr(folds, "GROUP", 2)
    monkeypatch.setattr(judging, "fit_platt", lambda table: scaled.append(table) or fit_platt(table))
    audit.main([*arguments(config, tmp_path / "o"), "--seeds", "1", "data.dev=null", "data.test=null"])
    found = read_suggestions(tmp_path / "o" / "audit.json").suggestions
    assert found and {s.agreement for s in found} <= {0.0, 0.5, 1.0}  # a judge that has seen it and one that has not
    assert len(scaled) == 2


def test_labels_of_an_entity_with_itself_are_not_judged(config, corpus, tmp_path):  # noqa: F811
    from dataclasses import replace

    from docre.data.readers.docred import write_docred

    documents = read(corpus / "train.json", "docred")
    documents[0] = replace(documents[0], triples=[*documents[0].triples, Triple(0, 0, "P1")])
    write_docred(tmp_path / "d.json", documents)
    output = ["--data", str(tmp_path / "d.json"), "--output", str(tmp_path / "o"), "--seeds", "1"]
    audit.main(["--config", str(config), *output])
    assert all(s.head != s.tail for s in read_suggestions(tmp_path / "o" / "audit.json").suggestions)
