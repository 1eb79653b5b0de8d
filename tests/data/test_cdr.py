"""The CDR and GDA readers: generated files with known content, the published files, and damaged files."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docre.data.readers import read
from docre.data.readers.cdr import read_cdr, read_gda
from docre.documents import Triple
from docre.errors import DocreError
from tests.data.strategies import documents_or_one_line

LABELS = st.sampled_from(["1:CID:2", "1:NR:2", "not_include"])


def line(title, sentences, entities, pairs, relation="CID", swapped=()):
    """A line of the format.

    entities: (id, type, [(start, end), ...]) each; pairs: (label, head, tail) each; swapped: the positions of the pairs
    whose tail comes first.
    """
    tokens = [token for sentence in sentences for token in sentence]
    columns = [title, "|".join(" ".join(sentence) for sentence in sentences)]
    for number, (label, head, tail) in enumerate(pairs):
        sides = [entities[head], entities[tail]]
        if number in swapped:
            sides.reverse()
        columns += [label.replace("CID", relation), "R2L" if number in swapped else "L2R", "CROSS", "0-1", "1-2"]
        for name, kind, spans in sides:
            names = "|".join(" ".join(tokens[s:e]) for s, e in spans)
            numbers = (":".join(str(x) for x in column) for column in zip(*[(s, e, 0) for s, e in spans], strict=True))
            columns += [name, names, kind, *numbers]
    return "\t".join(columns)


@st.composite
def contents(draw):
    """The content of a line as (title, sentences, entities, pairs); each entity is in at least one pair."""
    sentences = draw(
        st.lists(st.lists(st.sampled_from(["a", "b", "", "β"]), min_size=1, max_size=4), min_size=1, max_size=4)
    )
    length = sum(map(len, sentences))
    span = st.tuples(st.integers(0, length - 1), st.integers(1, 3)).map(lambda p: (p[0], min(sum(p), length)))
    spans = st.lists(span, min_size=1, max_size=3)
    heads = [(f"C{i}", "Chemical", draw(spans)) for i in range(draw(st.integers(1, 3)))]
    tails = [(f"D{i}", "Disease", draw(spans)) for i in range(draw(st.integers(1, 3)))]
    pairs = [(draw(LABELS), h, len(heads) + t) for h, t in itertools.product(range(len(heads)), range(len(tails)))]
    return draw(st.sampled_from(["1", "227508"])), sentences, heads + tails, pairs


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("cdr") / "file.data"


@given(contents(), st.sets(st.integers(0, 8)), st.sampled_from(["CID", "GDA"]))
def test_what_is_written_is_read(path, content, swapped, relation):
    title, sentences, entities, pairs = content
    entities = [(i, "Gene" if kind == "Chemical" and relation == "GDA" else kind, s) for i, kind, s in entities]
    path.write_text(line(title, sentences, entities, pairs, relation, swapped) + "\n")
    (document,) = (read_cdr if relation == "CID" else read_gda)(path)
    tokens = [token for sentence in sentences for token in sentence]
    assert document.title == title and [t for sentence in document.sentences for t in sentence] == tokens
    order = []  # entities are numbered as the file names them first
    for number, (_, *sides) in enumerate(pairs):
        order += [side for side in (reversed(sides) if number in swapped else sides) if side not in order]
    for entity, index in zip(document.entities, order, strict=True):
        _, kind, spans = entities[index]
        starts = [sum(map(len, document.sentences[: m.sentence])) for m in entity.mentions]
        found = [(s + m.start, s + m.end, m.type) for s, m in zip(starts, entity.mentions, strict=True)]
        assert found == [(*span, kind) for span in spans]
    known = [(label, (order.index(h), order.index(t))) for label, h, t in pairs]
    assert document.pairs == [pair for label, pair in known if label != "not_include"]
    assert document.triples == [Triple(*pair, relation) for label, pair in known if label == "1:CID:2"]
    assert read_cdr(path) == [document] if relation == "CID" else True


def test_a_mention_across_a_boundary_joins_its_sentences(tmp_path):
    entities = [("C", "Chemical", [(2, 4)]), ("D", "Disease", [(5, 6)])]
    sentences = [["a", "b", "E."], ["coli", "c"], ["d"]]
    (tmp_path / "f").write_text(line("1", sentences, entities, [("1:CID:2", 0, 1)]))
    (document,) = read(tmp_path / "f", "cdr")
    assert document.sentences == [["a", "b", "E.", "coli", "c"], ["d"]]
    assert document.entities[0].mentions[0].name == "E. coli"


@given(st.data())
def test_any_damage_gives_documents_or_one_line(path, data):
    columns = line(*data.draw(contents())).split("\t")
    index = data.draw(st.integers(0, len(columns) - 1))
    action = data.draw(st.sampled_from(["replace", "remove", "truncate", "double"]))
    if action == "replace":
        columns[index] = data.draw(
            st.sampled_from(["", "-1", "3:1", "9:9:9", "99", "x", "²", "1_0", "9" * 5000, "a|b", "1:CID:1"])
        )
    elif action == "remove":
        del columns[index]
    elif action == "double":
        columns.insert(index, columns[index])
    whole = "\t".join(columns)
    if action == "truncate":
        whole = whole[: data.draw(st.integers(0, len(whole)))]
    path.write_text(whole)
    for document in documents_or_one_line(read_cdr, path) or ():
        chemicals = {e for e, entity in enumerate(document.entities) if entity.type == "Chemical"}
        assert all(head in chemicals and tail not in chemicals for head, tail in document.pairs)


GOOD = ("7", [["a", "b"], ["c"]], [("C", "Chemical", [(0, 1)]), ("D", "Disease", [(2, 3)])], [("1:NR:2", 0, 1)])


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (2, "1:GDA:2", "pair 0: expected one of 1:CID:2, 1:NR:2, not_include, got '1:GDA:2'"),
        (9, "Gene", "pair 0: expected a Chemical and a Disease, got 'Gene' and 'Disease'"),
        (15, "Chemical", "got 'Chemical' and 'Chemical'"),
        (10, "x", "pair 0: C: starts: expected token offsets joined by ':', got 'x'"),
        (10, "0:1", "pair 0: C: 2 mention starts, but 1 ends"),
        (17, "4", "entity 1, mention 0: tokens [2, 4) are not inside the document (3 tokens)"),
    ],
)
def test_errors_name_line_and_pair(tmp_path, column, value, message):
    columns = line(*GOOD).split("\t")
    columns[column] = value
    (tmp_path / "f.data").write_text(line(*GOOD) + "\n\n" + "\t".join(columns) + "\n")
    with pytest.raises(DocreError) as error:
        read(tmp_path / "f.data", "cdr")
    assert str(error.value).startswith(f"{tmp_path / 'f.data'}: line 3: ") and message in str(error.value)


def test_contradictions_are_errors(tmp_path):
    title, sentences, entities, _ = GOOD
    (tmp_path / "f").write_text(line(title, sentences, entities, [("1:NR:2", 0, 1), ("1:CID:2", 0, 1)]))
    with pytest.raises(DocreError, match="pair 1: its label contradicts that of an earlier pair"):
        read(tmp_path / "f", "cdr")
    moved = line(title, sentences, [("C", "Chemical", [(1, 2)]), entities[1]], [("1:NR:2", 0, 1)]).split("\t")[2:]
    (tmp_path / "f").write_text("\t".join([line(*GOOD), *moved]))
    with pytest.raises(DocreError, match="pair 1: C: its mentions differ from those in an earlier pair"):
        read(tmp_path / "f", "cdr")


def test_names_of_many_tokens_cannot_fill_the_memory(tmp_path):
    """A number of names that is not that of the mentions costs a name from the text for each of them."""
    columns = line(*GOOD).split("\t")
    columns[1] = "x " * 9_998 + "x|y"
    columns[10], columns[11] = ":".join(["0"] * 2000), ":".join(["9999"] * 2000)
    (tmp_path / "f").write_text("\t".join(columns))
    with pytest.raises(DocreError, match="pair 0: C: the mentions of all pairs have 100 times the tokens of the text"):
        read(tmp_path / "f", "cdr")


def test_a_name_with_a_bar_falls_back_to_the_tokens(tmp_path):
    columns = line(*GOOD).split("\t")
    columns[8] = "x|y"
    (tmp_path / "f").write_text("\t".join(columns))
    assert read(tmp_path / "f", "cdr")[0].entities[0].name == "a"


@pytest.mark.parametrize(
    ("split", "positive", "negative"), [("train", 1038, 4202), ("dev", 1012, 4075), ("test", 1066, 4138)]
)
def test_published_counts(shared, split, positive, negative):
    corpus = read(shared / f"data/cdr/{split}_filter.data", "cdr")
    assert len(corpus) == 500
    assert sum(len(document.triples) for document in corpus) == positive
    assert sum(len(document.candidate_pairs) for document in corpus) == positive + negative
    same = total = 0
    for document in corpus:
        assert all(document.entities[h].type == "Chemical" for h, _ in document.pairs)
        assert all(document.entities[t].type == "Disease" for _, t in document.pairs)
        for entity in document.entities:
            for m in entity.mentions:
                same += " ".join(document.sentences[m.sentence][m.start : m.end]) == m.name
                total += 1
    assert same / total > 0.998  # a few tokens are longer than the mention in them: "5 - HT" in "5 - HT6"
