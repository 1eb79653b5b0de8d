"""The jsonl reader: offsets survive tokenization and sentence splitting, and damaged files give clear errors."""

import itertools
import json
import re
import time
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from docre.data.readers import read
from docre.data.readers.jsonl import parse_document, read_jsonl, to_json
from docre.documents import Document, Entity, Mention, Triple
from docre.errors import DocreError
from docre.segmentation import sentence_starts, tokenize
from tests.data.strategies import damaged, documents_or_one_line

ALPHABET = "abAB .!?…,\n\t\r-'\"()é東京。！ा€ 🙂\x00\x1c\u200d\u2028ß١"
TEXTS = st.text(ALPHABET, max_size=40)


@st.composite
def items(draw):
    """The valid content of a line."""
    text = draw(TEXTS)
    spans = [
        (i, j) for i in range(len(text)) for j in range(i + 1, min(len(text), i + 9) + 1) if not text[i:j].isspace()
    ]
    mentions = st.lists(st.sampled_from(spans).map(list), max_size=3) if spans else st.just([])
    entities = draw(st.lists(st.fixed_dictionaries({"type": st.sampled_from("AB"), "mentions": mentions}), max_size=3))
    item = {"text": text, "entities": entities}
    if entities and draw(st.booleans()):
        index = st.integers(0, len(entities) - 1)
        evidence = [st.lists(st.sampled_from(spans), max_size=2)] if spans and draw(st.booleans()) else []
        item["relations"] = draw(st.lists(st.tuples(index, st.sampled_from("rs"), index, *evidence), max_size=3))
    return item


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("jsonl") / "own.jsonl"


def bare(text):
    return "".join(text.split())


@given(items())
def test_text_and_mentions_survive(path, item):
    path.write_text(json.dumps(item) + "\n")
    (document,) = read_jsonl(path)
    assert document.title == "own:1"
    assert "".join(token for sentence in document.sentences for token in sentence) == bare(item["text"])
    assert all(document.sentences)
    for entity, given_entity in zip(document.entities, item["entities"], strict=True):
        for mention, (start, end) in zip(entity.mentions, given_entity["mentions"], strict=True):
            there = document.sentences[mention.sentence][mention.start : mention.end]
            before = [t for s in document.sentences[: mention.sentence] for t in s]
            before += document.sentences[mention.sentence][: mention.start]
            assert "".join(there) == bare(item["text"][start:end]) == bare(mention.name)
            assert "".join(before) == bare(item["text"][:start])
            assert mention.type == given_entity["type"]
    if "relations" not in item:
        assert document.triples is None
        return
    for triple, (head, relation, tail, *evidence) in zip(document.triples, item["relations"], strict=True):
        assert (triple.head, triple.relation, triple.tail) == (head, relation, tail)
        assert triple.evidence == tuple(sentences_of(document, item["text"], *evidence))


def sentences_of(document, text, spans=()):
    """The sentences that overlap a span, found character by character."""
    places = (place for place, character in enumerate(text) if not character.isspace())
    found = set()
    for s, sentence in enumerate(document.sentences):
        for place in itertools.islice(places, len("".join(sentence))):
            if any(start <= place < end for start, end in spans):
                found.add(s)
    return sorted(found)


@given(TEXTS, st.sets(st.integers(0, 40), max_size=5))
def test_tokens_by_the_definition(text, boundaries):
    """Compared with a loop over characters: a token ends at white space, at a boundary, and around punctuation, but for
    what the examples below show."""
    assume(not re.search(r"\d[.,:]\d|[^\W\d_]\.|['’]s", text))
    expected, current = [], None
    for i, character in enumerate(text):
        alone = unicodedata.category(character)[0] in "PS"
        if character.isspace():
            current = None
            continue
        if current is None or alone or i in boundaries:
            expected.append([i, i])
            current = expected[-1]
        current[1] = i + 1
        if alone:
            current = None
    assert tokenize(text, boundaries) == [tuple(span) for span in expected]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("1,234.5 km, 3.5km at 10:30.", "1,234.5|km|,|3.5km|at|10:30|."),
        ("1. 2,x ,3 4..5", "1|.|2|,|x|,|3|4|.|.|5"),
        ("U.S. and D.C., U.N", "U.S.|and|D.C.|,|U|.|N"),
        ("J. K. Doe, Dr. Foo, St. Gallen", "J.|K.|Doe|,|Dr.|Foo|,|St.|Gallen"),
        ("vitamin A.", "vitamin|A|."),
        ("the end. Then", "the|end|.|Then"),
        ("Ada's cats' ’s James’s 'so it'son", "Ada|'s|cats|'|’s|James|’s|'|so|it|'|son"),
        ("Ada 's book, ('s)", "Ada|'s|book|,|(|'|s|)"),
        ("first.last_St. a1.b.", "first|.|last|_|St|.|a1|.|b|."),
    ],
)
def test_tokens_of_several_characters(text, tokens):
    assert [text[start:end] for start, end in tokenize(text)] == tokens.split("|")
    middle = len(text) // 2
    cut = tokenize(text, [middle])
    assert {end for _, end in cut} | {start for start, _ in cut} >= {middle} or text[middle].isspace()


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("He said “Stop.” Then (so.) Left", ["He said “Stop.”", "Then (so.)", "Left"]),
        ("Dr. Smith met J. Doe in Fig. 2 of St. Gallen.", ["Dr. Smith met J. Doe in Fig. 2 of St. Gallen."]),
        ("It cost 3.5 euros… then e.g. nothing. 5 left.", ["It cost 3.5 euros… then e.g. nothing.", "5 left."]),
        ("Title\n\nthe body\nstays", ["Title", "the body\nstays"]),
        ("Yahoo! is. \r\n\r\nso", ["Yahoo! is.", "so"]),
        ("他来了。「真的？！」她走了", ["他来了。", "「真的？！」", "她走了"]),
        ("", [""]),
        ("  . ", ["."]),
    ],
)
def test_sentences(text, sentences):
    starts = [0, *sentence_starts(text), len(text)]
    assert len(starts) == len(set(starts)) or not text
    assert [text[a:b].strip() for a, b in itertools.pairwise(starts)] == sentences


def test_long_and_strange_texts_take_linear_time():
    started = time.perf_counter()
    for piece in (".", "a", " \n", ")", "!)", "\n", "a. ", "。)", ". \n \n"):
        text = piece * 30000
        assert tokenize(text) or not text.strip()
        assert len(list(sentence_starts(text))) <= 30000
    assert time.perf_counter() - started < 15  # one of them alone would take longer if it were quadratic


def test_no_sentence_ends_inside_a_mention(tmp_path):
    text = "He reads Who? Me! Often."
    item = {"title": "t", "text": text, "entities": [{"mentions": [[9, 17]], "name": "the book", "type": "WORK"}]}
    (tmp_path / "f").write_text(json.dumps(item))
    (document,) = read(tmp_path / "f", "jsonl")
    assert document.sentences == [["He", "reads", "Who", "?", "Me", "!"], ["Often", "."]]
    assert document.entities[0].name == "Who? Me!" and document.triples is None and document.title == "t"


def test_both_forms_of_relations(tmp_path):
    item = {"text": "a b", "entities": [{"mentions": [[0, 1]]}, {"mentions": [[2, 3]]}]}
    relations = [[0, "r", 1], {"head": 0, "tail": 1, "relation": "r"}]
    (tmp_path / "f").write_text(json.dumps(item | {"relations": relations}) + "\r\n\n" + json.dumps(item))
    first, second = read(tmp_path / "f", "jsonl")
    assert first.triples == [Triple(0, 1, "r")] * 2 and first.entities[0].type == "" and second.title == "f:3"


def test_evidence_is_the_sentences_that_its_spans_touch(tmp_path):
    text = " One sits. Two sat. Three, ok. "
    item = {"text": text, "entities": [{"mentions": [[1, 4]]}, {"mentions": [[11, 14]]}]}
    spans = [[], [[1, 2]], [[0, 10]], [[10, 14], [1, 4]], [[7, 20]], [[9, 30]], [[5, 6], [1, 9]]]
    objects = [{"head": 0, "relation": "r", "tail": 1, "evidence": some} for some in [*spans, None]]
    relations = [[0, "r", 1, some] for some in spans] + [[0, "r", 1, None]] + objects
    (tmp_path / "f").write_text(json.dumps(item | {"relations": relations}))
    (document,) = read(tmp_path / "f", "jsonl")
    assert len(document.sentences) == 3
    assert [triple.evidence for triple in document.triples] == [(), (0,), (0,), (0, 1), (0, 1), (0, 1, 2), (0,), ()] * 2


SLIPS = {"Title": "title", "relation": "relations", "Relations": "relations", "labels": "relations"}


@pytest.mark.parametrize(("key", "meant"), [*SLIPS.items(), *[(key, None) for key in ("id", "url", "meta", "context")]])
def test_slips_in_the_keys_of_a_document(tmp_path, key, meant):
    """An unnoticed misspelling would silently make the document unlabeled. Other unknown keys are allowed."""
    (tmp_path / "f").write_text(json.dumps({"text": "a", "entities": [], key: []}))
    if meant is None:
        assert read(tmp_path / "f", "jsonl")[0].triples is None
        return
    with pytest.raises(DocreError, match=rf"line 1: document: unknown key '{key}' \(did you mean '{meant}'\?\)"):
        read(tmp_path / "f", "jsonl")
    (tmp_path / "f").write_text(json.dumps({"title": "t", "text": "a", "entities": [], "relations": [], key: []}))
    assert len(read(tmp_path / "f", "jsonl")) == 1  # beside the right key it is extra data


@given(st.data())
def test_any_damage_gives_documents_or_one_line(path, data):
    path.write_text(json.dumps(data.draw(damaged(data.draw(items())))) + "\n")
    documents_or_one_line(read_jsonl, path)


@given(st.data())
def test_truncated_lines_give_one_line(path, data):
    whole = json.dumps(data.draw(items()))
    path.write_text("\n" + whole[: data.draw(st.integers(1, len(whole) - 1))])
    with pytest.raises(DocreError) as error:
        read_jsonl(path)
    assert str(error.value).startswith(f"{path}: line 2: not valid JSON")


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ([], "expected an object, got a list"),
        ({"entities": []}, "document: expected a string in 'text', got nothing"),
        ({"text": "a"}, "document: expected a list in 'entities', got nothing"),
        ({"text": "a", "entities": [{"type": "T"}]}, "entities[0]: expected a list in 'mentions', got nothing"),
        ({"text": "a", "entities": [{"mentions": [], "type": 1}]}, "entities[0]: expected a string in 'type'"),
        ({"text": "a", "entities": [{"mentions": [[0, 2]]}]}, "entities[0].mentions[0]: characters [0, 2) are not"),
        ({"text": "a", "entities": [{"mentions": [[0.0, 1]]}]}, "entities[0].mentions[0]: expected a list of 2 int"),
        ({"text": "a ", "entities": [{"mentions": [[1, 2]]}]}, "characters [1, 2) are only white space"),
        ({"text": "a", "entities": [], "relations": [[0, "r"]]}, "relations[0]: expected [head, relation, tail]"),
        ({"text": "a", "entities": [], "relations": [[0, "r", 0]]}, "label 0: head entity 0 does not exist"),
        ({"text": "a", "entities": [], "relations": [["r", 0, 0]]}, "relations[0]: expected an integer in 'head'"),
        (
            {"text": "a", "entities": [], "relations": [[0, "r", 0, [0]]]},
            "evidence: expected spans of the text, [[start,",
        ),
        (
            {"text": "a", "entities": [], "relations": [[0, "r", 0, [[0, 2]]]]},
            "relations[0].evidence[0]: characters [0, 2)",
        ),
        (
            {"text": "a", "entities": [], "relations": [{"head": 0, "relation": "r", "tail": 0, "evidences": []}]},
            "relations[0]: unknown key 'evidences' (did you mean 'evidence'?)",
        ),
        (
            {"text": "a", "entities": [{"mentions": [], "types": ""}]},
            "entities[0]: unknown key 'types' (did you mean 'ty",
        ),
        ({"text": "a", "entities": [], "relations": {}}, "expected a list in 'relations', got an object"),
        ({"text": "\ud800", "entities": []}, "not valid JSON: no low surrogate"),
    ],
)
def test_errors_name_line_and_field(tmp_path, item, message):
    (tmp_path / "f").write_text('{"text": "", "entities": []}\n' + json.dumps(item))
    with pytest.raises(DocreError) as error:
        read(tmp_path / "f", "jsonl")
    assert str(error.value).startswith(f"{tmp_path / 'f'}: line 2: ") and message in str(error.value)


def test_evidence_cannot_fill_the_memory(tmp_path):
    text, entities = "a\n\n" * 1000, [{"mentions": [[0, 1]]}, {"mentions": [[3, 4]]}]
    relations = [[0, "r", 1, [[0, len(text)]]]] * 300
    (tmp_path / "f").write_text(json.dumps({"text": text, "entities": entities, "relations": relations}))
    with pytest.raises(DocreError, match=r"relations\[200\]: the evidence so far has 100 times the sentences"):
        read(tmp_path / "f", "jsonl")


def test_sentences_and_mentions_without_text_are_not_written():
    ada, bob = Entity((Mention("Ada", 0, 0, 1),)), Entity((Mention("Bob", 0, 1, 2),))
    document = Document("t", [["Ada", "Bob"], [], [" "]], [ada, bob], [Triple(0, 1, "P", (0, 1, 2))])
    again = parse_document(to_json(document), "")
    assert again.triples == [Triple(0, 1, "P", (0,))] and [e.name for e in again.entities] == ["Ada", "Bob"]
    with pytest.raises(DocreError, match=r"document 't': entity 1: a mention is only white space"):
        to_json(Document("t", [["Ada", " "]], [ada, Entity((Mention(" ", 0, 1, 2),))]))
