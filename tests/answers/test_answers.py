"""Answers of language models: every form by hand, forward and back, and with anything at all in it."""

import itertools
import json
import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docre.answers import FORMS, Found, read_answers
from docre.answers.base import Malformed, Relations
from docre.answers.delimited import Delimited
from docre.answers.entities import AMBIGUOUS, Names, simplified
from docre.answers.forms.options import letters
from docre.answers.prompts import prompts
from docre.answers.reading import COUNTED
from docre.commands import evaluate, prompt
from docre.data.readers.docred import write_docred
from docre.data.schema import load_schema
from docre.documents import Document, Entity, Mention, Prediction, Triple
from docre.errors import DocreError

SCHEMA = load_schema("docred")
NAMES = {relation: SCHEMA.name(relation) for relation in SCHEMA.relations}
RELATIONS = Relations(NAMES)
LINE = {"head": 0, "tail": 1, "relation": "P17", "options": {"A": "P17", "B": "P131", "C": "P150"}}


def read(form: str, answer: str, **line) -> list:
    return list(FORMS.build(form, {}).read(answer, RELATIONS, LINE | line))


def triples(form: str, answer: str) -> list[tuple]:
    return [(f.head, f.relation, f.tail) for f in read(form, answer) if isinstance(f, Found)]


@pytest.mark.parametrize(
    ("form", "answer", "expected", "malformed"),
    [
        ("bars", "1. (Paris| country| France)\n(a|b)\nSure!", [("Paris", "country", "France")], 1),
        ("bars", "(A (b)| country | C (d, e))", [("A (b)", "country", "C (d, e)")], 0),
        (
            "bars",
            "(A| country| B (x)) (C (y)| capital| D)",
            [("A", "country", "B (x)"), ("C (y)", "capital", "D")],
            0,
        ),
        ("bars", "(A| loves| B)", [("A", "loves", "B")], 0),
        ("bars", "(1) (A| country| B) (see the second sentence)", [("A", "country", "B")], 0),
        (
            "bars",
            "(1) (A| country| B). It says so (there). (C (y)| capital| D)",
            [("A", "country", "B"), ("C (y)", "capital", "D")],
            0,
        ),
        ("bars", "(A| country) (A| country| B) (C| capital)", [("A", "country", "B")], 2),
        ("angles", "<1> <'A', 'country', 'B'> <sic>", [("A", "country", "B")], 0),
        ("bars", "(A| country| B :))", [("A", "country", "B :)")], 0),
        (
            "tuples",
            "(Paris, country, France), (X, Y & Z, capital, W)",
            [("Paris", "country", "France"), ("X, Y & Z", "capital", "W")],
            0,
        ),
        (
            "tuples",
            '("Washington, D.C.", "located in the administrative territorial entity", "U.S.")',
            [("Washington, D.C.", "located in the administrative territorial entity", "U.S.")],
            0,
        ),
        ("tuples", "Paris, country, France", [], 1),
        (
            "tuples",
            "(C, lives in, D), (A (x), country, B), (E, knows, F), (G, country, H (y)), (I, owns, J)",
            [
                ("C", "lives in", "D"),
                ("A (x)", "country", "B"),
                ("E", "knows", "F"),
                ("G", "country", "H (y)"),
                ("I", "owns", "J"),
            ],
            0,
        ),
        (
            "angles",
            "<'A', 'country', 'B'> <'C', 'lives in', 'D'>",
            [("A", "country", "B"), ("C", "lives in", "D")],
            0,
        ),
        ("json", '{"a":[' * 500 + "]}" * 500, [], 1),
        ("lists", "[" * 1000 + "]" * 1000, [], 1),
        ("bars", "(A| country| B) (C| no_relation| D)", [("A", "country", "B"), ("C", "no_relation", "D")], 0),
        ("bars", "(A| -| D)", [("A", "-", "D")], 0),
        (
            "angles",
            "<'Paris', 'country', 'France'> <'O'Neill', 'P17', 'Éire'>",
            [("Paris", "country", "France"), ("O'Neill", "P17", "Éire")],
            0,
        ),
        (
            "lists",
            '[["A", "country", "B"], ["C \\"D\\"", "capital", "E]"]]',
            [("A", "country", "B"), ('C "D"', "capital", "E]")],
            0,
        ),
        ("lists", '["A", "country", "B"],\n[C, country, D]', [("A", "country", "B"), ("C", "country", "D")], 0),
        ("pairs", "Paris ## France\nnone\nA ## B ## C", [("Paris", "P17", "France")], 1),
        ("options", "A, C and D", [(0, "P17", 1), (0, "P150", 1)], 1),
        ("options", "None", [], 0),
        ("options", "no idea", [], 1),
        ("yes_no", "Yes, it does.", [(0, "P17", 1)], 0),
        ("yes_no", "NO", [], 0),
        ("yes_no", "yes and no", [], 1),
        (
            "json",
            '```json\n{"triples": [{"head": "A", "relation": "country", "tail": "B"}, {"head": 1}]}\n```',
            [("A", "country", "B")],
            1,
        ),
        ("json", 'Here: [{"subject": "A", "predicate": "P17", "object": "B"}] Done.', [("A", "P17", "B")], 0),
        ("json", "I do not know", [], 1),
        ("json", 'See [1].\n[{"h": "A", "r": "P17", "t": "B"}]\nNote [2].', [("A", "P17", "B")], 0),
        (
            "json",
            '```\n[{"h": "x", "r": "P17", "t": "y"}]\n```\n```\n[{"h": "A", "r": "P17", "t": "B"}]\n```',
            [("A", "P17", "B")],
            0,
        ),
        (
            "json",
            '{"h": "A", "r": "P17", "t": "B"}\n{"h": "C", "r": "P17", "t": "D"}',
            [("A", "P17", "B"), ("C", "P17", "D")],
            0,
        ),
        ("json", "Nothing is stated: []", [], 0),
        ("json", '[{"h": "\\ud800", "r": "P17", "t": "B"}]', [], 1),
        (
            "lists",
            '[\n [\n  "A",\n  "country",\n  "B"\n ],\n [\n  "C",\n  "country",\n  "D"\n ]\n]\nDone.',
            [("A", "country", "B"), ("C", "country", "D")],
            0,
        ),
        (
            "table",
            "| head | relation | tail |\n|---|---|---|\n| A \\| a | country | B |\n| x | y |",
            [("A | a", "country", "B")],
            1,
        ),
    ],
)
def test_by_hand(form, answer, expected, malformed):
    assert triples(form, answer) == expected
    assert sum(isinstance(item, Malformed) for item in read(form, answer)) == malformed


name = st.text("ab ()[]<>{}|,;'\"#-.é", min_size=1, max_size=12).map(str.strip).filter(
    lambda n: any(c in "abé" for c in n) and "##" not in n and " ".join(n.split()) == n
    and not n.startswith("#") and not n.endswith("#")
)  # fmt: skip
stated = st.lists(st.tuples(name, st.sampled_from(sorted(NAMES.values())), name), min_size=1, max_size=4)


def closes_too_much(form: Delimited, name: str) -> bool:
    """Whether a bracket of the form's closes in the name that it did not open."""
    depths = itertools.accumulate({form.opening: 1, form.closing: -1}.get(character, 0) for character in name)
    return min(depths) < 0


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60, deadline=None)
@given(made=stated)
def test_what_is_written_is_read(form, made):
    """Names with brackets, quotes, commas and bars come back, but for quotes around a whole name and brackets that
    close what was not opened."""
    asked = FORMS.build(form, {})
    if asked.keys and form != "pairs":
        made = [(0, "P17", 1)]
    if form == "pairs":
        made = [(head, "P17", tail) for head, _, tail in made]
    if form in ("bars", "tuples", "angles"):
        made = [(h, r, t) for h, r, t in made if not {h[0], h[-1], t[0], t[-1]} & set("\"'")]
        made = [row for row in made if not (closes_too_much(asked, row[0]) or closes_too_much(asked, row[2]))]
        made = made or [("a", "country", "b")]
    written = asked.write([Found(*each) for each in made])
    assert triples(form, written) == made


@pytest.mark.parametrize("form", FORMS)
def test_anything_at_all(form):
    """1,000 answers of random pieces: nothing but triples and what is malformed, never an error."""
    pieces = [
        "(",
        ")",
        "[",
        "]",
        "<",
        ">",
        "{",
        "}",
        "|",
        ",",
        '"',
        "'",
        "##",
        "\n",
        " ",
        "country",
        "P17",
        "Paris",
        "\\",
    ]
    pieces += ["A", "yes", "None", "```", "---", "\ud800", "\0", "é", ":", '"head"', "1."]
    rng = random.Random(0)
    for _ in range(1000):
        answer = "".join(rng.choice(pieces) for _ in range(rng.randint(0, 40)))
        assert all(isinstance(item, Found | Malformed) for item in read(form, answer))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("piece", ["(", "(a| country| ", ")(", " ", "[[", "<'", "| ", "a, country, ", ") ; ", "\n"])
def test_time_grows_with_length_only(form, piece):
    answer = (piece * 200_000)[:200_000] + "hello"
    start = time.process_time()
    list(read(form, answer))
    assert time.process_time() - start < 10


@pytest.mark.parametrize("form", FORMS)
def test_forms_tell_about_themselves(form):
    entry = FORMS[form]
    assert entry.reference and entry.__doc__ and FORMS.build(form, {}).ask()


def test_fields_of_the_wrong_type():
    wrong = [("options", {"head": "x"}), ("options", {"options": []}), ("yes_no", {"relation": 1})]
    for form, line in [*wrong, ("pairs", {"relation": None})]:
        with pytest.raises(ValueError, match="expected"):
            read(form, "A", **line)


def document() -> Document:
    def entity(*names: str) -> Entity:
        return Entity(tuple(Mention(name, 0, i, i + 1, "X") for i, name in enumerate(names)))

    sentence = ("w0", "w1", "w2", "w3", ".")
    entities = (entity("The Beatles", "Beatles"), entity("United Kingdom", "UK"), entity("John"), entity("John"))
    return Document("t", (sentence,), entities, (Triple(0, 1, "P17"),))


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        *(("Beatles", 0), ("the beatles", 0), ("UK", 1), ("U.K.", None), ("United Kingdoms", 1), ("John", AMBIGUOUS)),
        *(("", None), ("!!", None), ("Zürich", None)),
    ],
)
def test_entities(given_name, expected):
    assert Names.of(document()).entity(given_name, 0.7) == expected
    assert simplified("The  Émile-Zola!") == "emile zola"


def test_everything_is_counted(tmp_path, capsys):
    said = [
        "(Beatles| country| UK)\n(the Beatles| P17| United Kingdom)\n(UK| loves| Beatles)",
        "(UK| no relation| Beatles)\n(John| country| UK)",
        "(Zurich| country| UK)\n(UK| capital| U",
        "(UK| capital| the UK)",
    ]
    answers = [{"title": "t", "answer": answer} for answer in said]
    answers.append({"title": "elsewhere", "answer": "(a| country| b)"})
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in answers))
    found = read_answers(tmp_path / "a.jsonl", [document()], NAMES, "bars")
    assert [(p.title, p.head, p.tail, p.relation) for p in found.predictions] == [("t", 0, 1, "P17")]
    assert found.counts == dict.fromkeys(COUNTED, 1)
    write_docred(tmp_path / "gold.json", [document()])
    command = ["--answers", str(tmp_path / "a.jsonl"), "--gold", str(tmp_path / "gold.json")]
    evaluate.main([*command, "--write", str(tmp_path / "result.json")])
    said = capsys.readouterr().out
    assert "5 answers for 1 document" in said and "1 parts of answers that are no triples" in said and "100.00" in said
    (entry,) = json.loads((tmp_path / "result.json").read_text())
    assert (entry["title"], entry["h_idx"], entry["t_idx"], entry["r"]) == ("t", 0, 1, "P17")
    (tmp_path / "a.jsonl").write_text('{"title": "t"}\n')
    with pytest.raises(DocreError, match=r"a\.jsonl: line 1: expected an object with texts"):
        evaluate.main(command)


@pytest.mark.parametrize("form", FORMS)
def test_prompts_and_the_right_answers_to_them(form, tmp_path, capsys):
    """Answered with the gold triples, the prompts of every form give exactly these."""
    gold = document()
    write_docred(tmp_path / "d.json", [gold])
    candidates = [{"title": "t", "h_idx": head, "t_idx": 1 - head, "r": "P17"} for head in (0, 1)]
    (tmp_path / "c.json").write_text(json.dumps(candidates))
    command = ["--data", str(tmp_path / "d.json"), "--form", form, "--output", str(tmp_path / "p.jsonl")]
    prompt.main([*command, *["--candidates", str(tmp_path / "c.json")] * (form == "yes_no")])
    asked = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert asked and all("The Beatles" in each["prompt"] for each in asked)
    for each in asked:
        right = [t for t in gold.triples if each.get("relation") in (None, t.relation)]
        right = [t for t in right if (each.get("head"), each.get("tail")) in ((None, None), (t.head, t.tail))]
        if form == "options":
            each["answer"] = (
                ", ".join(k for k, r in each["options"].items() for t in right if t.relation == r) or "None"
            )
        else:
            names = [Found(gold.entities[t.head].name, NAMES[t.relation], gold.entities[t.tail].name) for t in right]
            each["answer"] = FORMS.build(form, {}).write(names)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in asked))
    found = read_answers(tmp_path / "a.jsonl", [gold], NAMES, form)
    assert [(p.head, p.tail, p.relation) for p in found.predictions] == [(0, 1, "P17")] and not found.counts


@pytest.mark.parametrize(
    "form, candidates, message",
    [
        ("yes_no", None, "'yes_no': it asks about triples, and needs --candidates"),
        ("bars", [], "'bars': it asks for all triples, and takes no --candidates"),
        ("yes_no", [("t", 0, 1, "P17"), ("x", 0, 1, "P17")], "entry 1: no document has the title 'x'"),
        ("yes_no", [("t", 99, 1, "P17")], "entry 0: document 't': h_idx entity 99 does not exist"),
        ("yes_no", [("t", 0, -1, "P17")], "entry 0: document 't': t_idx entity -1 does not exist"),
        ("yes_no", [("t", 0, 1, "P9")], "entry 0: unknown relation 'P9'"),
    ],
)
def test_candidates_that_cannot_be_asked_about(form, candidates, message):
    given = None if candidates is None else [Prediction(*each) for each in candidates]
    with pytest.raises(DocreError, match=message):
        list(prompts([document()], NAMES, form, given))


def test_prompts_need_titles_that_differ():
    with pytest.raises(DocreError, match="two documents have the title 't'"):
        list(prompts([document(), document()], NAMES, "bars"))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("I think the answer is C.", "C"),
        ("None. A relation is not stated.", ""),
        ("N/A - no relation", ""),
        ("**A**, C and D.", "A C D"),
        ("A. country\n**C)** capital", "A C"),
        ("The options are B and D, as I see it.", "B D"),
        ("Answer: AB", "AB"),
        ("I do not know.", None),
    ],
)
def test_letters_in_sentences(answer, expected):
    options = {letters(i): f"P{i}" for i in range(30)}
    items = read("options", answer, options=options)
    if expected is None:
        assert items == [Malformed(answer)]
    else:
        assert items == [Found(0, options[letter], 1) for letter in expected.split()]


def test_relations_whose_names_differ_in_case_only():
    with pytest.raises(DocreError, match="relations P1 and P2 have one name, but for case: 'Country'"):
        Relations({"P1": "country", "P2": "Country"})


def test_letters_of_many_options():
    names = [letters(i) for i in range(20_000)]
    assert len(set(names)) == len(names) and all(re.fullmatch("[A-Z]+", name) for name in names)
    assert [letters(i) for i in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]
