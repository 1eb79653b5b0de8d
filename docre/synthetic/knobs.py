"""The parameters that decide how hard the corpus is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Knobs:
    """How documents are generated.

    Numbers of clauses per document, as (fewest, most):
    facts:      clauses that state facts.
    denials:    clauses that deny a fact.
    happenings: clauses that express no relation of the corpus.

    Probabilities that:
    framed:     a fact is stated as "it is true that ...".
    frame:      a denial is a statement of a fact after "it is not true that", instead of one with words of its own.
    joined:     two clauses share a sentence.
    twin:       the second clause of a sentence makes the same statement as the first, about other things, if possible.
    connected:  a sentence is about a thing that the document has mentioned before.
    followed:   a sentence has the subject of the sentence before, as a pronoun or "the company", if possible.
    bridged:    a fact is chosen such that together with an earlier sentence a further fact follows.
    alias:      a mention after the first uses another name than the full one.
    introduced: the first mention of an organization gives its abbreviation.
    retold:     a document of dev or test tells a story of train again.
    familiar:   a fact in such a document is one that the document of train states, in other words.

    skew:       how much rarer the last phrasing of a statement is than the first: 0 (equally frequent) to 1 (never
                used). In dev and test the order of the phrasings is reversed.
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
