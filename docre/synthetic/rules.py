"""The relations of the corpus, and the rules by which facts follow from others."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)

# Wikidata properties and the names that DocRED gives them.
RELATIONS = {
    "P17": "country",
    "P19": "place of birth",
    "P20": "place of death",
    "P22": "father",
    "P25": "mother",
    "P26": "spouse",
    "P27": "country of citizenship",
    "P36": "capital",
    "P40": "child",
    "P50": "author",
    "P57": "director",
    "P69": "educated at",
    "P108": "employer",
    "P112": "founded by",
    "P131": "located in the administrative territorial entity",
    "P150": "contains administrative territorial entity",
    "P159": "headquarters location",
    "P161": "cast member",
    "P166": "award received",
    "P175": "performer",
    "P355": "subsidiary",
    "P569": "date of birth",
    "P570": "date of death",
    "P571": "inception",
    "P577": "publication date",
    "P749": "parent organization",
    "P800": "notable work",
    "P1376": "capital of",
    "P3373": "sibling",
}

# (h, r, t) implies (t, INVERSE[r], h). "child" has two inverses, by the sex of the parent, so it is only derived.
INVERSE = {
    "P22": "P40",
    "P25": "P40",
    "P26": "P26",
    "P36": "P1376",
    "P131": "P150",
    "P150": "P131",
    "P355": "P749",
    "P749": "P355",
    "P1376": "P36",
    "P3373": "P3373",
}

# (h, r, t) implies (h, IMPLIED[r], t): a capital is in its country.
IMPLIED = {"P1376": "P17"}

# (h, r, m) and (m, s, t) with h != t imply (h, CHAINED[r, s], t), which may take two sentences to see.
CHAINED = {
    ("P159", "P17"): "P17",
    ("P131", "P17"): "P17",
    ("P22", "P40"): "P3373",
    ("P25", "P40"): "P3373",
    ("P3373", "P3373"): "P3373",
    ("P3373", "P22"): "P22",
    ("P3373", "P25"): "P25",
}

# Relations that no statement states: they always follow from others.
DERIVED = ("P36", "P40", "P150", "P355")

Fact = tuple[Node, str, Node]


def close(stated: Mapping[Fact[Node], frozenset[int]]) -> dict[Fact[Node], frozenset[int]]:
    """The closure of the stated facts under the rules.

    stated: for each fact (head, relation, tail) the sentences that state it.
    Returns all facts that follow, and for each the smallest set of sentences that it follows from; of several sets of
    that size the earliest.
    """
    known: dict[Fact[Node], frozenset[int]] = {}
    tails: dict[tuple[Node, str], list[Node]] = {}
    heads: dict[tuple[str, Node], list[Node]] = {}
    queue = list(stated.items())
    for fact, evidence in queue:  # the list grows: a fact is appended again whenever smaller evidence for it is found
        head, relation, tail = fact
        if fact in known and rank(known[fact]) <= rank(evidence):
            continue
        if fact not in known:
            tails.setdefault((head, relation), []).append(tail)
            heads.setdefault((relation, tail), []).append(head)
        known[fact] = evidence
        if relation in INVERSE:
            queue.append(((tail, INVERSE[relation], head), evidence))
        if relation in IMPLIED:
            queue.append(((head, IMPLIED[relation], tail), evidence))
        for (first, second), result in CHAINED.items():
            if relation == first:
                for end in tails.get((tail, second), ()):
                    if end != head:
                        queue.append(((head, result, end), evidence | known[tail, second, end]))
            if relation == second:
                for start in heads.get((first, head), ()):
                    if start != tail:
                        queue.append(((start, result, tail), evidence | known[start, first, head]))
    return known


def rank(evidence: frozenset[int]) -> tuple[int, list[int]]:
    """A sort key for evidence: fewer sentences first, then earlier ones."""
    return len(evidence), sorted(evidence)
