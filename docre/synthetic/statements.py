"""Statements: what a sentence can say, with slots for things, in several phrasings.

A phrasing is a string of tokens: "{a}" stands for a mention of the thing in slot a, "{a.his}" for the word of WORDS
that fits its sex. A phrasing with "~" in front presupposes its fact ("his mother Ann"), so that "it is not
true that" before it would not deny the fact.
"""

from dataclasses import dataclass

PERSON = ("man", "woman")
ORGANIZATION = ("company", "college")
KINDS = {"person": PERSON, "org": ORGANIZATION, "work": ("film", "novel", "album")}

# Each word as it is used of a man, and of a woman.
WORDS = {
    "his": ("his", "her"),
    "father": ("father", "mother"),
    "son": ("son", "daughter"),
    "brother": ("brother", "sister"),
    "husband": ("husband", "wife"),
}

# What can stand for the subject of the sentence before, by its kind. Things of other kinds are always named.
PRONOUNS = {
    "man": "he",
    "woman": "she",
    "city": "the city",
    "region": "the region",
    "country": "the country",
    "company": "the company",
    "college": "the school",
    "film": "the film",
    "novel": "the novel",
    "album": "the album",
}

SlotFact = tuple[str, str, str]


@dataclass(frozen=True)
class Statement:
    """A statement about things.

    slots:    the kinds of things that fit each slot, by the name of the slot.
    states:   the facts that it states, as (head slot, relation, tail slot).
    denies:   facts that must not hold in the story, so that the statement (or, if it states facts, its denial) is true.
    texts:    the phrasings.
    deniable: the phrasings that "it is not true that" can precede.
    """

    slots: dict[str, tuple[str, ...]]
    states: tuple[SlotFact, ...]
    denies: tuple[SlotFact, ...]
    texts: tuple[str, ...]
    deniable: tuple[str, ...] = ()


def fact(slots: str, states: str, *texts: str, denies: str = "") -> Statement:
    """A statement of facts, from the short forms "a:person c:city" and "a P19 c". Only a single fact is deniable."""
    stated = parse_facts(states)
    plain = tuple(text for text in texts if not text.startswith("~"))
    return Statement(
        parse_slots(slots),
        stated,
        parse_facts(denies) or stated,
        tuple(text.removeprefix("~") for text in texts),
        plain if len(stated) == 1 else (),
    )


def other(slots: str, denies: str, *texts: str) -> Statement:
    """A statement that expresses no relation of the corpus, from the same short forms."""
    return Statement(parse_slots(slots), (), parse_facts(denies), texts)


def parse_slots(text: str) -> dict[str, tuple[str, ...]]:
    """The kinds by slot that "a:person c:city" stands for."""
    slots = dict(slot.split(":") for slot in text.split())
    return {slot: KINDS.get(kind, (kind,)) for slot, kind in slots.items()}


def parse_facts(text: str) -> tuple[SlotFact, ...]:
    """The facts between slots that "a P19 c, a P569 d" stands for."""
    return tuple((head, relation, tail) for head, relation, tail in (part.split() for part in text.split(",") if part))


# The facts by which the things in slots a and b are relatives.
KIN = "a P26 b, a P3373 b, a P40 b, b P40 a"
