"""What a sentence can say: a statement with slots for things, in several phrasings.

Phrasings are tokens with slots: "{a}" is a mention of slot a, "{a.his}" the word of WORDS that fits the sex of slot a.
A phrasing of facts that begins with "~" takes one for granted ("his mother Ann"), so that "it is not true that" before
it would not deny it.
"""

from dataclasses import dataclass

PERSON = ("man", "woman")
ORGANISATION = ("company", "college")
KINDS = {"person": PERSON, "org": ORGANISATION, "work": ("film", "novel", "album")}

# The word for a man, the word for a woman.
WORDS = {
    "he": ("he", "she"),
    "his": ("his", "her"),
    "father": ("father", "mother"),
    "son": ("son", "daughter"),
    "brother": ("brother", "sister"),
    "husband": ("husband", "wife"),
}

# What stands for the subject of the sentence before. Other kinds of thing are always named.
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
    """Something to say about things.

    slots:    slot name → the kinds of thing that fit.
    states:   the facts (head slot, relation, tail slot) that it states.
    denies:   facts that must not hold in the story for the statement (or, of facts, its denial) to be true.
    texts:    the phrasings.
    deniable: those of them that "it is not true that ..." can stand before.
    """

    slots: dict[str, tuple[str, ...]]
    states: tuple[SlotFact, ...]
    denies: tuple[SlotFact, ...]
    texts: tuple[str, ...]
    deniable: tuple[str, ...] = ()


def fact(slots: str, states: str, *texts: str, denies: str = "") -> Statement:
    """A statement of facts, in short form: "a:person c:city", "a P19 c". Only a single fact can be denied clearly."""
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
    """A statement of nothing that the corpus has a relation for."""
    return Statement(parse_slots(slots), (), parse_facts(denies), texts)


def parse_slots(text: str) -> dict[str, tuple[str, ...]]:
    """ "a:person c:city" as kinds by slot."""
    slots = dict(slot.split(":") for slot in text.split())
    return {slot: KINDS.get(kind, (kind,)) for slot, kind in slots.items()}


def parse_facts(text: str) -> tuple[SlotFact, ...]:
    """ "a P19 c, a P569 d" as slot facts."""
    return tuple((head, relation, tail) for head, relation, tail in (part.split() for part in text.split(",") if part))


# Being related, of the slots a and b.
KIN = "a P26 b, a P3373 b, a P40 b, b P40 a"
