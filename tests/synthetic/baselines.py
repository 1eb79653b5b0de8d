"""Two simple classifiers: one uses the types of the entities, the other also single words beside them."""

from collections import Counter, defaultdict

from docre.documents import Document


def f1(predicted: set, gold: set) -> float:
    """The F1 in percent."""
    return 200 * len(predicted & gold) / max(len(predicted) + len(gold), 1)


def gold(documents) -> set:
    """The labels of documents as (title, head, tail, relation)."""
    return {(d.title, t.head, t.tail, t.relation) for d in documents for t in d.triples}


def types(document: Document, head: int, tail: int) -> tuple[str, str]:
    """The types of head and tail."""
    return document.entities[head].type, document.entities[tail].type


def words_beside(document: Document) -> dict[tuple[int, int], set[str]]:
    """For each pair the words (outside mentions) of all sentences that mention both entities."""
    inside = {(m.sentence, i) for e in document.entities for m in e.mentions for i in range(m.start, m.end)}
    words = [
        {word.lower() for i, word in enumerate(sentence) if (s, i) not in inside}
        for s, sentence in enumerate(document.sentences)
    ]
    where = [{m.sentence for m in entity.mentions} for entity in document.entities]
    return {(h, t): set().union(*(words[s] for s in where[h] & where[t])) for h, t in document.candidate_pairs}


def features(document: Document, use_words: bool) -> dict[tuple[int, int], list]:
    """For each pair its features: its types, or its types combined with each word beside it."""
    if not use_words:
        return {(h, t): [types(document, h, t)] for h, t in document.candidate_pairs}
    beside = words_beside(document)
    return {(h, t): [(*types(document, h, t), word) for word in beside[h, t]] for h, t in document.candidate_pairs}


def baseline(train, test, use_words: bool) -> tuple[float, float]:
    """The F1 on train and test of predicting a relation if, in train, a feature of the pair has it often enough.

    The threshold is the one with the best F1 on train. So no set of rules "these types (and this word) mean this
    relation" with a common threshold does better on train.
    """
    seen, having = Counter(), defaultdict(Counter)
    for document in train:
        labels = defaultdict(list)
        for t in document.triples:
            labels[t.head, t.tail].append(t.relation)
        for pair, found in features(document, use_words).items():
            for feature in found:
                seen[feature] += 1
                having[feature].update(labels[pair])

    def scores(documents):
        best = Counter()
        for d in documents:
            for (h, t), found in features(d, use_words).items():
                for feature in found:
                    for relation, count in having[feature].items() if feature in having else ():
                        key = (d.title, h, t, relation)
                        best[key] = max(best[key], count / seen[feature] if count >= 3 else 0.0)
        return best

    on_train, answers = scores(train), gold(train)
    ranked = sorted(on_train, key=on_train.__getitem__, reverse=True)
    best, threshold, correct = 0.0, 1.0, 0
    for n, key in enumerate(ranked, 1):
        correct += key in answers
        value = 200 * correct / (n + len(answers))
        tied = n < len(ranked) and on_train[ranked[n]] == on_train[key]
        if value > best and not tied:
            best, threshold = value, on_train[key]
    predicted = {key for key, score in scores(test).items() if score >= threshold}
    return best, f1(predicted, gold(test))
