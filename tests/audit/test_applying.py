"""Decisions: read strictly, applied exactly."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docre.audit import Suggestion, Suggestions, apply_decisions, read_suggestions
from docre.audit.applying import accept_probable
from docre.audit.damage import damage
from docre.commands import audit
from docre.data.readers import read
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from tests.tiny import random_documents

DOCUMENTS = random_documents(4)


def cells(documents) -> set:
    return {(i, t.head, t.tail, t.relation) for i, d in enumerate(documents) for t in d.triples or ()}


def suggestion(kind: str, cell, decision: str | None = "accept", **changes) -> Suggestion:
    document, head, tail, relation = cell
    title = DOCUMENTS[document].title
    return replace(
        Suggestion(kind, document, title, head, tail, relation, 0.7, 1.0, (0,)), decision=decision, **changes
    )


@settings(max_examples=50, deadline=None)
@given(st.sampled_from((0.0, 0.5)), st.floats(0, 1, exclude_max=True), st.floats(0, 0.5), st.integers(0, 99))
def test_undoing_all_damage_gives_the_documents_back(rarity, share, wrong, seed):
    known = damage(DOCUMENTS, share, wrong, seed, rarity)
    before, after = cells(DOCUMENTS), cells(known.documents)
    assert before - after == known.missing and after - before == known.wrong
    assert len(known.missing) - len(known.wrong) == round(share * len(before))
    assert len(known.wrong) == round(wrong * (len(before) - round(share * len(before))))
    decided = [suggestion("missing", c) for c in known.missing] + [suggestion("wrong", c) for c in known.wrong]
    corrected, changes = apply_decisions(known.documents, decided)
    assert cells(corrected) == before
    assert changes.added.total() == len(known.missing) and changes.removed.total() == len(known.wrong)


def test_what_is_not_accepted_changes_nothing():
    there = next(iter(cells(DOCUMENTS)))
    suggestions = [suggestion("wrong", there, decision) for decision in ("reject", "unsure", None)]
    corrected, changes = apply_decisions(DOCUMENTS, suggestions)
    assert corrected == DOCUMENTS and changes.documents == 0
    assert changes.left == {"reject": 1, "unsure": 1, "undecided": 1}
    accepted = accept_probable([*suggestions, suggestion("wrong", there, None, probability=0.4)], 0.5)
    assert [s.decision for s in accepted] == ["reject", "unsure", "accept", None]


def test_duplicate_labels_are_removed_together():
    document = DOCUMENTS[0]
    twice = replace(document, triples=[*document.triples, document.triples[0]])
    t = document.triples[0]
    corrected, changes = apply_decisions([twice], [suggestion("wrong", (0, t.head, t.tail, t.relation))])
    assert corrected[0].triples == list(document.triples[1:]) and changes.removed.total() == 2


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"kind": "missing"}, "has the label"),
        ({"relation": "P77"}, "does not have the label"),
        ({"title": "other"}, "no document 'other' at position 0"),
        ({"document": 9}, "at position 9"),
        ({"document": -1}, "at position -1"),
        (
            {"kind": "missing", "relation": "P77", "head": 99},
            "decisions.json: suggestion 0: .*entity 99 does not exist",
        ),
        (
            {"kind": "missing", "relation": "P77", "head": 0, "tail": 0},
            "suggestion 0: a relation of entity 0 with itself",
        ),
        ({"kind": "missing", "relation": "P77", "evidence": (77,)}, "sentence 77 does not exist"),
    ],
)
def test_decisions_that_do_not_fit(changes, message):
    t = DOCUMENTS[0].triples[0]
    wrong = replace(suggestion("wrong", (0, t.head, t.tail, t.relation)), **changes)
    with pytest.raises(DocreError, match=message):
        apply_decisions(DOCUMENTS, [wrong], "decisions.json")


SUGGESTIONS = st.builds(
    Suggestion,
    st.sampled_from(["missing", "wrong"]),
    st.integers(0, 9),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(0, 9),
    st.integers(0, 9),
    st.just("P1"),
    st.floats(0, 1),
    st.floats(0, 1),
    st.lists(st.integers(0, 9), max_size=3).map(tuple),
    st.just("Ada"),
    st.just("London"),
    st.just("born in"),
    st.sampled_from([None, "accept", "reject", "unsure"]),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(SUGGESTIONS, max_size=5))
def test_round_trip(tmp_path_factory, listed):
    path = tmp_path_factory.mktemp("suggestions") / "audit.json"
    made = Suggestions("train.json", "ab", "docred", listed)
    made.save(path)
    assert read_suggestions(path) == made


GOOD = suggestion("wrong", next(iter(cells(DOCUMENTS))))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kind": "odd"}, "suggestion 0: kind: expected one of missing, wrong, got 'odd'"),
        ({"decision": "yes"}, "suggestion 0: decision: expected one of accept"),
        ({"head": "0"}, "suggestion 0: head: unexpected value '0'"),
        ({"head": True}, "head: unexpected value True"),
        ({"evidence": ["a"]}, "evidence: expected numbers"),
        ({"more": 1}, "suggestion 0: expected an object with"),
        ({"title": None}, "title: unexpected value None"),
    ],
)
def test_other_content_is_refused(change, message, tmp_path):
    value = Suggestions("train.json", "ab", "docred", [GOOD]).to_json()
    value["suggestions"][0] |= change
    (tmp_path / "d.json").write_text(json.dumps(value))
    with pytest.raises(DocreError, match=message):
        read_suggestions(tmp_path / "d.json")


@pytest.mark.parametrize("value", [[], {}, {"suggestions": []}, 3])
def test_no_suggestions_at_all(value, tmp_path):
    (tmp_path / "d.json").write_text(json.dumps(value))
    with pytest.raises(DocreError, match="expected suggestions, as docre audit"):
        read_suggestions(tmp_path / "d.json")


def test_command(tmp_path, capsys):
    from docre.core.manifests import digest

    data, output = tmp_path / "train.json", tmp_path / "corrected.json"
    write_docred(data, DOCUMENTS)
    t = DOCUMENTS[1].triples[0]
    decided = suggestion("wrong", (1, t.head, t.tail, t.relation), relation_name="born in")
    Suggestions(str(data), digest(data), "docred", [decided]).save(tmp_path / "decisions.json")
    audit.main(["--apply", str(tmp_path / "decisions.json"), "--output", str(output)])
    said = capsys.readouterr().out
    assert "0 labels added and 1 removed, in 1 documents" in said and "born in: +0 -1" in said
    assert cells(read(output, "docred")) == cells(DOCUMENTS) - {(1, t.head, t.tail, t.relation)}
    write_docred(data, DOCUMENTS[:3])
    output.unlink()
    with pytest.raises(DocreError, match="made for another version of"):
        audit.main(["--apply", str(tmp_path / "decisions.json"), "--output", str(output)])
    assert not output.exists()
