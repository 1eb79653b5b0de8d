"""How hard the corpus is: all in one place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Knobs:
    """How documents are made up. Pairs are (least, most) per document, the rest probabilities.

    facts:      clauses that state facts.
    denials:    clauses that deny a fact.
    happenings: clauses about something else.
    framed:     a fact comes as "it is true that ...".
    frame:      a denial is a statement of facts after "it is not true that", not one with words of its own.
    joined:     a clause goes into the same sentence as the one before.
    twin:       a joined clause is, where possible, a statement of the same sort about other things.
    connected:  a sentence takes up a thing that the document has mentioned.
    followed:   a sentence has, where possible, the subject of the sentence before, as a pronoun or "the company".
    bridged:    a statement of facts is chosen so that a new fact follows from it and an earlier sentence together.
    alias:      a later mention uses another name than the full one.
    introduced: the first mention of an organisation gives its abbreviation.
    skew:       how much rarer a statement's last phrasing is than its first (0 to 1; other way round outside train).
    retold:     a document outside train tells a story of train again.
    familiar:   a fact in a retold story is one, in other words, that the document in train stated.
    """

    facts: tuple[int, int] = (4, 5)
    denials: tuple[int, int] = (1, 2)
    happenings: tuple[int, int] = (1, 2)
    framed: float = 0.15
    frame: float = 0.5
    joined: float = 0.3
    twin: float = 0.5
    connected: float = 0.85
    followed: float = 0.3
    bridged: float = 0.25
    alias: float = 0.6
    introduced: float = 0.5
    skew: float = 0.6
    retold: float = 0.35
    familiar: float = 0.6
