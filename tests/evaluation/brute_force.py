"""A slow, simple scorer, with lists and loops straight from the definitions; and random corpora to compare with it."""

from hypothesis import strategies as st

from docre.documents import Document, Entity, Mention, Prediction, Triple

RELATIONS = ["r0", "r1", "r2", "r3"]
NAMES = ["Ann", "Bob", "Ann Lee"]


def brute_force(predictions, gold, train=None):
    """Every score, in a dict; undefined scores are None. train: the training documents, or None."""
    labeled = [document for document in gold if document.triples is not None]
    unlabeled = [document.title for document in gold if document.triples is None]
    distinct = []
    for p in predictions:
        if p.title not in unlabeled and not any(same(p, other) for other in distinct):
            distinct.append(p)

    golds = []  # [document, head, tail, relation, evidence]
    evidence_total = 0
    for document in labeled:
        for t in document.triples:
            evidence_total += len(t.evidence)
            for known in golds:
                if known[0] is document and known[1:4] == [t.head, t.tail, t.relation]:
                    known[4] = t.evidence
                    break
            else:
                golds.append([document, t.head, t.tail, t.relation, t.evidence])

    rows = []  # one dict per prediction
    for p in distinct:
        document = next((d for d in labeled if d.title == p.title), None)
        found = [g for g in golds if g[0] is document and g[1:4] == [p.head, p.tail, p.relation]]
        evidence = [s for i, s in enumerate(p.evidence) if s not in p.evidence[:i]] if document else []
        rows.append(
            {
                "place": place(document, p.head, p.tail),
                "relation": p.relation,
                "correct": bool(found),
                "in_train": bool(found) and in_train(document, p, train),
                "evidence": len(evidence),
                "correct_evidence": sum(s in found[0][4] for s in evidence) if found else 0,
            }
        )

    frequent = most_frequent(golds, train)

    def part(keep_gold, keep):
        chosen = [row for row in rows if keep(row)]
        return rates(sum(map(keep_gold, golds)), len(chosen), sum(row["correct"] for row in chosen))

    result = part(lambda g: True, lambda row: True)
    for name in ("intra", "inter"):
        result[name] = part(lambda g: place(g[0], g[1], g[2]) == name, lambda row: row["place"] == name)  # noqa: B023
    result["frequent"] = part(lambda g: g[3] in frequent, lambda row: row["relation"] in frequent)
    result["long_tail"] = part(lambda g: g[3] not in frequent, lambda row: row["relation"] not in frequent)
    relations = {g[3] for g in golds} | {row["relation"] for row in rows}
    result["per_relation"] = {
        relation: part(lambda g: g[3] == relation, lambda row: row["relation"] == relation)  # noqa: B023
        for relation in relations
    }
    macro = [value["f1"] for value in result["per_relation"].values() if value["gold"]]
    result["macro_f1"] = sum(macro) / len(macro)
    stated, right = sum(row["evidence"] for row in rows), sum(row["correct_evidence"] for row in rows)
    result["evidence"] = rates(evidence_total, stated, right)
    result["ign_f1"] = None
    if train is not None:
        known = sum(row["in_train"] for row in rows)
        p, r = (result["correct"] - known) / (result["predicted"] - known + 1e-5), result["r"]
        result["ign_f1"] = 2 * p * r / (p + r) if p + r else 0.0
    return result


def rates(gold, predicted, correct):
    p = correct / predicted if predicted else None
    r = correct / gold if gold else None
    f1 = None if r is None else 2 * p * r / (p + r) if p and r else 0.0
    return {"p": p, "r": r, "f1": f1, "gold": gold, "predicted": predicted, "correct": correct}


def same(a, b):
    return (a.title, a.head, a.tail, a.relation) == (b.title, b.head, b.tail, b.relation)


def place(document, head, tail):
    if document is None or head not in range(len(document.entities)) or tail not in range(len(document.entities)):
        return "nowhere"
    for m in document.entities[head].mentions:
        for n in document.entities[tail].mentions:
            if m.sentence == n.sentence:
                return "intra"
    return "inter"


def in_train(document, p, train):
    for m in document.entities[p.head].mentions:
        for n in document.entities[p.tail].mentions:
            for other in train or ():
                for t in other.triples or ():
                    heads = [mention.name for mention in other.entities[t.head].mentions]
                    tails = [mention.name for mention in other.entities[t.tail].mentions]
                    if t.relation == p.relation and m.name in heads and n.name in tails:
                        return True
    return False


def most_frequent(golds, train):
    relations = [g[3] for g in golds]
    if train and any(document.triples for document in train):
        relations = []
        for document in train:
            relations += [r for _, _, r in {(t.head, t.tail, t.relation) for t in document.triples or ()}]
    return sorted(set(relations), key=lambda r: (-relations.count(r), r))[:10]


def mention(name, sentence, type="PER"):
    return Mention(name, sentence, 0, 1, type)


def document(title, sentences, entities, triples=None):
    """A document with `sentences` sentences. entities: the mentions (name, sentence) of each entity; triples:
    (head, tail, relation, *evidence)."""
    return Document(
        title,
        [["word"]] * sentences,
        [Entity(tuple(mention(*m) for m in mentions)) for mentions in entities],
        None if triples is None else [Triple(h, t, r, tuple(evidence)) for h, t, r, *evidence in triples],
    )


@st.composite
def documents(draw, title, relations=RELATIONS, labeled=None):
    """A random document; it may have duplicate labels, head == tail, entities without mentions, or no labels."""
    sentences = draw(st.integers(1, 3))
    one = st.tuples(st.sampled_from(NAMES), st.integers(0, sentences - 1))
    entities = draw(st.lists(st.lists(one, max_size=3), max_size=4))
    triples = None
    if labeled or (labeled is None and draw(st.integers(0, 4))):
        triples = []
        if entities:
            index = st.integers(0, len(entities) - 1)
            evidence = st.lists(st.integers(0, sentences - 1), max_size=3)
            label = st.tuples(index, index, st.sampled_from(relations), evidence)
            triples = [(h, t, r, *e) for h, t, r, e in draw(st.lists(label, max_size=6))]
    return document(title, sentences, entities, triples)


@st.composite
def corpora(draw, titles="ABCD", relations=RELATIONS):
    """Random documents called A, B, …, at least one of which has a triple."""
    size = draw(st.integers(1, len(titles)))
    result = [draw(documents(title, relations)) for title in titles[:size]]
    last = document("Z", 2, [[("Ann", 0)], [("Bob", 0), ("Ann", 1)]], [(0, 1, "r0", 0, 0, 1)])
    return [*result, last]


def submissions(titles="ABCDZ?!", relations=(*RELATIONS, "unknown")):
    """Random predictions with known and unknown titles, entities and relations, many of them given twice."""
    one = st.builds(
        Prediction,
        title=st.sampled_from(titles),
        head=st.integers(-1, 4),
        tail=st.integers(-1, 4),
        relation=st.sampled_from(relations),
        evidence=st.lists(st.integers(-1, 3), max_size=3).map(tuple),
    )
    return st.lists(one, max_size=25)
