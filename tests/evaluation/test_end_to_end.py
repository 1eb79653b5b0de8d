"""End-to-end scores: hand cases, published values of coreference, slow definitions on random documents, the command."""

import json
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docre.commands.evaluate import main
from docre.data.readers import read
from docre.data.readers.docred import write_docred
from docre.documents import Document, Entity, Mention, Prediction, Triple
from docre.errors import DocreError
from docre.evaluation import train_facts, write_submission
from docre.evaluation.end_to_end import evaluate_end_to_end
from docre.evaluation.end_to_end.coreference import METRICS, b_cubed, ceaf_e, muc
from docre.evaluation.end_to_end.table import level_lines
from tests.conftest import ROOT

WORDS = "Ann Lee met Bob in Rome . Ann likes Rome .".split()
SENTENCES = [WORDS[:7], WORDS[7:]]


def document(entities, triples=(), title="one", sentences=SENTENCES):
    """entities: (type, (sentence, start, end), ...); triples: (head, relation, tail), or None."""
    return Document(
        title,
        sentences,
        [
            Entity(tuple(Mention(" ".join(sentences[s][a:b]), s, a, b, type) for s, a, b in spans))
            for type, *spans in entities
        ],
        None if triples is None else [Triple(head, tail, relation) for head, relation, tail in triples],
    )


ANN, BOB, ROME = ("PER", (0, 0, 2), (1, 0, 1)), ("PER", (0, 3, 4)), ("LOC", (0, 5, 6), (1, 2, 3))
GOLD = document([ANN, BOB, ROME], [(0, "met", 1), (1, "met", 0), (0, "likes", 2), (1, "visits", 2)])


def test_by_hand():
    """Bob's type is wrong; Rome lacks a mention; "met" is a mention too many."""
    rome, met = ("LOC", (0, 5, 6)), ("MISC", (0, 2, 3))
    triples = [(0, "met", 1), (0, "likes", 2), (1, "visits", 2), (3, "likes", 2)]
    scores = evaluate_end_to_end([GOLD], [document([ANN, ("LOC", *BOB[1:]), rome, met], triples)])
    assert (scores.mentions.gold, scores.mentions.predicted, scores.mentions.correct) == (5, 5, 4)
    assert (scores.clusters.gold, scores.clusters.predicted, scores.clusters.correct) == (3, 4, 2)
    assert (scores.entities.gold, scores.entities.predicted, scores.entities.correct) == (3, 4, 1)
    assert (scores.relaxed.all.gold, scores.relaxed.all.predicted, scores.relaxed.all.correct) == (4, 4, 1)
    assert (scores.strict.all.gold, scores.strict.all.predicted, scores.strict.all.correct) == (4, 4, 0)
    assert (scores.surface.gold, scores.surface.predicted, scores.surface.correct) == (4, 4, 3)
    assert {name: prf.correct for name, prf in scores.levels.items()} == {"mentions": 3, "clusters": 1, "types": 0}
    assert scores.relaxed.ign_f1 is None


def test_ign_f1_leaves_out_training_facts():
    """The training set calls Ann by another name of hers, and states one of the two correct triples."""
    guess = document([ANN, BOB, ROME], [(0, "met", 1), (0, "likes", 2), (2, "met", 0)])
    train = train_facts([document([("PER", (1, 0, 1)), BOB], [(0, "met", 1)], title="train")])
    scores = evaluate_end_to_end([GOLD], [guess], train)
    ign_p, r = 1 / 2.00001, 2 / 4
    assert scores.relaxed.correct_in_train == scores.strict.correct_in_train == 1
    assert scores.relaxed.ign_f1 == scores.strict.ign_f1 == pytest.approx(2 * ign_p * r / (ign_p + r))


def test_tokens_and_sentences_may_be_divided_differently():
    other = [["Ann", "Le", "e", "met", "Bob", "in Rome"], ["."], ["Ann", "likes", "Ro", "me", "."]]
    guess = document(
        [("PER", (0, 0, 3), (2, 0, 1)), ("PER", (0, 4, 5)), ("LOC", (2, 2, 4))], [(0, "met", 1)], sentences=other
    )
    scores = evaluate_end_to_end([GOLD], [guess])
    assert (scores.mentions.correct, scores.clusters.correct, scores.relaxed.all.correct) == (4, 2, 1)


def test_titles_labels_and_entities_that_are_missing():
    more = [replace(GOLD, title="two"), replace(GOLD, title="three", triples=None)]
    found = replace(GOLD, entities=[*GOLD.entities, Entity(())])
    scores = evaluate_end_to_end([GOLD, *more], [found, replace(GOLD, title="three"), replace(GOLD, title="four")])
    assert (scores.mentions.gold, scores.mentions.correct) == (15, 10)
    assert (scores.relaxed.all.gold, scores.relaxed.all.predicted, scores.relaxed.all.correct) == (8, 4, 4)
    assert list(scores.notes) == [
        "1 gold document not predicted: counted as predicted without entities (first: 'two')",
        "1 predicted document not in the gold data: left out (first: 'four')",
        "1 gold document without labels: relations not scored there",
        "1 entity without mentions: left out",
    ]
    scores = evaluate_end_to_end([GOLD], [replace(GOLD, triples=None)])
    assert scores.entities.f1 == 1 and scores.relaxed is None and scores.levels == {}
    assert "no predicted document has triples: relations are not scored" in scores.notes


def sets(text):
    """The clusters in "ab cde", whose mentions are letters."""
    return [frozenset(cluster) for cluster in text.split()]


@pytest.mark.parametrize(
    ("metric", "recall", "precision"),
    [(muc, 2 / 5, 2 / 5), (b_cubed, 35 / 12 / 7, 4 / 8), (ceaf_e, 1.3 / 2, 1.3 / 3)],
)
def test_published_values(metric, recall, precision):
    """The worked example of Pradhan et al. 2014, section 4."""
    fractions = metric(sets("abc defg"), sets("ab cd fghi"))
    assert (fractions.r, fractions.p) == pytest.approx((recall, precision))
    assert fractions.f1 == pytest.approx(2 * recall * precision / (recall + precision))


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("12345 6789ABC", (0.947, 0.865, 0.733)),
        ("1234589ABC 67", (0.947, 0.737, 0.667)),
        ("123456789ABC", (0.900, 0.545, 0.294)),
        ("1 2 3 4 5 6 7 8 9 A B C", (0, 0.400, 0.178)),
    ],
)
def test_published_table(response, expected):
    """Table 1 of Luo 2005: F1 of MUC, B-cubed and CEAF with its similarity phi_4."""
    found = [metric(sets("12345 67 89ABC"), sets(response)).f1 for metric in METRICS.values()]
    assert found == pytest.approx(expected, abs=6e-4)


MENTIONS = [(0, 0, 1), (0, 0, 2), (0, 3, 4), (0, 5, 6), (1, 0, 1), (1, 2, 3)]


@st.composite
def documents(draw, title="one"):
    """A random document; mentions may be in several entities, and entities may be equal or have none."""
    spans = st.lists(st.sampled_from(MENTIONS), max_size=4)
    entities = draw(st.lists(st.tuples(st.sampled_from(["PER", "LOC"]), spans), max_size=4))
    triples = []
    if entities:
        index = st.integers(0, len(entities) - 1)
        triples = draw(st.lists(st.tuples(index, st.sampled_from("rs"), index), max_size=6))
    return document([(type, *spans) for type, spans in entities], triples, title)


FULL = replace(GOLD, title="two")  # so that every score is defined


@settings(max_examples=50)
@given(documents())
def test_identical_documents_score_1(doc):
    scores = evaluate_end_to_end([doc, FULL], [doc, FULL], train_facts([]))
    prfs = [scores.mentions, scores.clusters, scores.entities, scores.relaxed.all, scores.strict.all, scores.surface]
    prfs += [*scores.levels.values(), *scores.coreference.values()]
    assert [(prf.p, prf.r, prf.f1) for prf in prfs] == [(pytest.approx(1),) * 3] * len(prfs)
    assert scores.coreference_f1 == pytest.approx(1)
    assert scores.relaxed.ign_f1 == scores.strict.ign_f1 == pytest.approx(1, abs=1e-5)


@settings(max_examples=50)
@given(documents(), documents(), st.randoms())
def test_the_order_of_entities_does_not_matter(gold, guess, random):
    order = list(range(len(guess.entities)))
    random.shuffle(order)
    entities = [guess.entities[i] for i in order]
    triples = [Triple(order.index(t.head), order.index(t.tail), t.relation) for t in guess.triples]
    shuffled = replace(guess, entities=entities, triples=triples)
    train = train_facts([FULL])
    one, other = (evaluate_end_to_end([gold, FULL], [d, FULL], train).to_json() for d in (guess, shuffled))
    other = json.loads(json.dumps(other), parse_float=lambda text: pytest.approx(float(text)))
    assert one == other


def test_levels_count_the_same_triples():
    """An entity that is listed twice, and one without mentions, are no reason to lose or win anything."""
    gold = document([ANN, BOB, ANN, ("PER",)], [(0, "met", 1), (2, "met", 1), (3, "met", 1)])
    right = [Prediction("one", t.head, t.tail, t.relation) for t in gold.triples]
    scores = evaluate_end_to_end([gold], [gold], with_gold_entities=right)
    assert {(prf.gold, prf.predicted, prf.correct) for prf in scores.levels.values()} == {(1, 1, 1)}
    odd = [Prediction("one", 99, 1, "met"), Prediction("one", -4, 1, "met"), Prediction("other", 0, 1, "met")]
    scores = evaluate_end_to_end([gold], [gold], with_gold_entities=[*right, *odd])
    assert (scores.levels["gold"].predicted, scores.levels["gold"].correct) == (4, 1)
    nothing = evaluate_end_to_end([gold], [gold], with_gold_entities=[])
    assert nothing.levels["gold"].f1 == 0 and level_lines(nothing.levels)[1].split()[-1] == "+100.00"


@settings(max_examples=50)
@given(documents(), documents())
def test_what_asks_for_more_is_never_higher(gold, guess):
    scores = evaluate_end_to_end([gold, FULL], [guess, FULL], train_facts([FULL]))
    assert scores.entities.f1 <= scores.clusters.f1
    assert scores.strict.all.f1 <= scores.relaxed.all.f1 <= scores.levels["mentions"].f1
    assert scores.strict.ign_f1 <= scores.relaxed.ign_f1
    assert scores.levels["clusters"] == scores.relaxed.all and scores.levels["types"] == scores.strict.all


@settings(max_examples=50)
@given(documents(), documents())
def test_like_the_slow_definitions(gold, guess):
    """Lists and loops; entities with the same mentions count once."""

    def listed(doc):
        entities = []
        for entity in doc.entities:
            spans = sorted({(m.sentence, m.start, m.end) for m in entity.mentions})
            same = [other for other in entities if other[0] == spans]
            if same:
                same[0][1] = min(same[0][1], entity.type)
            elif spans:
                entities.append([spans, entity.type])
        return entities

    def stated(doc, strict):
        found = []
        for t in doc.triples:
            ends = []
            for e in (t.head, t.tail):
                spans = sorted({(m.sentence, m.start, m.end) for m in doc.entities[e].mentions})
                ends += [[x if strict else x[0]] for x in listed(doc) if x[0] == spans]
            if len(ends) == 2 and [t.relation, ends] not in found:
                found.append([t.relation, ends])
        return found

    scores = evaluate_end_to_end([gold], [guess])
    pairs = {
        scores.clusters: [[spans for spans, _ in listed(d)] for d in (gold, guess)],
        scores.entities: [listed(d) for d in (gold, guess)],
        scores.relaxed.all: [stated(d, False) for d in (gold, guess)],
        scores.strict.all: [stated(d, True) for d in (gold, guess)],
    }
    for prf, (ours, theirs) in pairs.items():
        right = [x for x in theirs if x in ours]
        assert (prf.gold, prf.predicted, prf.correct) == (len(ours), len(theirs), len(right))


PARTITIONS = st.lists(st.integers(-1, 3), min_size=7, max_size=7).map(
    lambda owners: [frozenset(m for m, owner in enumerate(owners) if owner == c) for c in range(4) if c in owners]
)  # of some of seven mentions


@given(PARTITIONS, PARTITIONS)
def test_coreference_like_the_slow_definitions(gold, guess):
    """B-cubed mention by mention (Bagga and Baldwin), CEAF-e over all assignments, MUC by counting spanning links."""

    def mean(ours, theirs):
        values = []
        for cluster in ours:
            for mention in cluster:
                other = next((c for c in theirs if mention in c), frozenset())
                values.append(len(cluster & other) / len(cluster))
        return sum(values) / len(values) if values else None

    assert (b_cubed(gold, guess).r, b_cubed(gold, guess).p) == pytest.approx((mean(gold, guess), mean(guess, gold)))

    def phi(one, other):
        return 2 * len(one & other) / (len(one) + len(other))

    few, many = sorted((gold, guess), key=len)
    best = max(sum(map(phi, few, chosen)) for chosen in permutations(many, len(few)))
    assert ceaf_e(gold, guess).found == pytest.approx(best)

    def links(ours, theirs):
        total = sum(len(cluster) - 1 for cluster in ours)
        kept = 0
        for cluster in ours:  # links to add until the mentions of a cluster are connected, where `theirs` connects some
            kept += sum(max(0, len(cluster & other) - 1) for other in theirs)
        return kept / total if total else None

    assert (muc(gold, guess).r, muc(gold, guess).p) == (links(gold, guess), links(guess, gold))


@pytest.fixture
def files(tmp_path):
    write_docred(tmp_path / "gold.json", [GOLD])
    write_docred(tmp_path / "extracted.json", [document([ANN, BOB], [(0, "met", 1)])])
    write_docred(tmp_path / "train.json", [document([ANN, BOB], [(0, "met", 1)], title="train")])
    return tmp_path


def run(files, *more, predictions="extracted.json"):
    command = ["--end-to-end", "--gold", files / "gold.json", "--predictions", files / predictions, *more]
    main([str(argument) for argument in command])


def test_command(files, capsys):
    write_submission(files / "result.json", [Prediction("one", 0, 1, "met"), Prediction("one", 1, 0, "met")])
    more = ["--train", files / "train.json", "--with-gold-entities", files / "result.json"]
    run(files, *more, "--json", files / "out.json")
    lines = capsys.readouterr().out.splitlines()
    assert "mentions                   100.00   60.00   75.00        5          3        3" in lines
    assert "gold entities              100.00   50.00   66.67" in lines
    assert "predicted mentions         100.00   25.00   40.00   -26.67      60.00" in lines
    content = json.loads((files / "out.json").read_text())
    assert content["mentions"]["f1"] == 0.75 and content["relaxed"]["f1"] == 0.4
    assert content["relaxed"]["ign_f1"] == 0 and content["levels"]["gold"]["correct"] == 2


def test_jsonl_documents(files):
    text = " ".join(WORDS)
    entities = [{"type": "PER", "mentions": [[0, 7], [text.rindex("Ann"), text.rindex("Ann") + 3]]}]
    item = {"title": "one", "text": text, "entities": entities}
    (files / "extracted.jsonl").write_text(json.dumps(item))
    run(files, "--predictions-reader", "jsonl", "--json", files / "out.json", predictions="extracted.jsonl")
    content = json.loads((files / "out.json").read_text())
    assert (content["clusters"]["correct"], content["relaxed"]) == (1, None)


@pytest.mark.parametrize(
    ("guess", "message"),
    [
        (replace(GOLD, title="two"), "none of its 1 documents .first: 'two'. is a document of .*gold.json"),
        (
            replace(GOLD, sentences=[WORDS[:7], [*WORDS[7:9], "Roma", "."]]),
            "extracted.json: document 'one': not the text of the gold document: after 30 characters .white space not "
            "counted. 'a.', but in the gold document 'e.'",
        ),
        (
            replace(GOLD, sentences=[WORDS[:7], WORDS[7:10]]),
            "after 31 characters .white space not counted. its end, but in the gold document '.'",
        ),
    ],
)
def test_other_documents_are_refused(files, capsys, guess, message):
    write_docred(files / "extracted.json", [guess])
    with pytest.raises(DocreError, match=message) as error:
        run(files, "--json", files / "out.json")
    assert "\n" not in str(error.value) and capsys.readouterr().out == "" and not (files / "out.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--end-to-end", "--checkpoint", "runs/a", "--data", "gold.json", "--with-gold-entities", "c"],
        ["--checkpoint", "runs/a", "--data", "gold.json", "--tagger", "spacy"],
        ["--end-to-end", "--predictions", "a", "--gold", "b", "--bootstrap", "10"],
        ["--predictions", "a", "--gold", "b", "--with-gold-entities", "c"],
    ],
)
def test_options_that_do_not_go_together(arguments):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2


def test_the_synthetic_corpus_scores_1_against_itself():
    gold = read(ROOT / "data/synthetic/test.json")
    scores = evaluate_end_to_end(gold, gold)
    assert scores.strict.all.f1 == scores.entities.f1 == scores.surface.f1 == 1
    assert scores.coreference_f1 == pytest.approx(1)
