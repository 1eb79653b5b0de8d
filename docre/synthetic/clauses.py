"""Clauses: statements about particular things of a story, drawn at random."""

from collections.abc import Sequence
from dataclasses import dataclass

from docre.synthetic.dice import Dice
from docre.synthetic.distractors import AFFIRMING, DENIALS, DENYING, HAPPENINGS
from docre.synthetic.facts import FACTS
from docre.synthetic.knobs import Knobs
from docre.synthetic.rules import DERIVED, RELATIONS, Fact
from docre.synthetic.statements import SlotFact, Statement
from docre.synthetic.world import Story

DENIABLE = tuple(statement for statement in FACTS if statement.deniable)

# The statements of facts, grouped by relation, so that relations are equally frequent and not statements. Father and
# mother are one group, because so many other facts follow from them.
PARENTS = ("P22", "P25")
STATEMENTS_BY_RELATION = tuple(
    tuple(statement for statement in FACTS if not {relation for _, relation, _ in statement.states}.isdisjoint(group))
    for group in (PARENTS, *((relation,) for relation in RELATIONS if relation not in PARENTS + DERIVED))
)


@dataclass(frozen=True)
class Clause:
    """A statement about particular things, in one phrasing.

    statement: what is said, with slots for things.
    things:    the thing in each slot, as its index in the story.
    text:      the phrasing.
    frame:     words before it that affirm or deny it, such as "it is not true that"; empty for none.
    """

    statement: Statement
    things: dict[str, int]
    text: str
    frame: str = ""

    @property
    def denied(self) -> bool:
        """Whether the frame denies the statement."""
        return self.frame in DENYING

    @property
    def facts(self) -> list[Fact[int]]:
        """The facts that it states, between things of the story."""
        return [] if self.denied else resolve(self.statement.states, self.things)

    @property
    def subject(self) -> int | None:
        """The thing that the phrasing begins with; None if it begins with another word."""
        return self.things[self.text[1]] if self.text.startswith("{") else None

    @property
    def coordinates(self) -> bool:
        """Whether "and" with another predicate can follow: it has no frame and is no denial."""
        return not self.frame and (bool(self.statement.states) or not self.statement.denies)

    def repeats(self, other: "Clause") -> bool:
        """Whether it says the same as another clause, even if in other words."""
        return self.statement is other.statement and self.things == other.things


def resolve(facts: Sequence[SlotFact], things: dict[str, int]) -> list[Fact[int]]:
    """Facts between slots as facts between the things in these slots."""
    return [(things[head], relation, things[tail]) for head, relation, tail in facts]


class ClauseGenerator:
    """Draws random clauses about a story.

    reverse:  whether the last phrasings of a statement are the most frequent ones, instead of the first.
    familiar: clauses of another document about the same story, some of which are repeated in other words.
    """

    def __init__(
        self, story: Story, dice: Dice, knobs: Knobs, reverse: bool = False, familiar: Sequence[Clause] = ()
    ) -> None:
        self.story, self.dice, self.knobs, self.reverse = story, dice, knobs, reverse
        self.familiar = [clause for clause in familiar if clause.facts]
        self.by_relation: dict[str, list[Fact[int]]] = {}
        for fact in story.facts:
            self.by_relation.setdefault(fact[1], []).append(fact)

    def draw(self, kind: str, like: Clause | None = None) -> Clause | None:
        """A clause of the given kind ("fact", "denial" or "happening"), with the statement of `like` if possible.

        None if the story has nothing that fits what was drawn.
        """
        return {"fact": self.fact, "denial": self.denial, "happening": self.happening}[kind](like)

    def fact(self, like: Clause | None) -> Clause | None:
        """A clause that states facts of the story."""
        if self.familiar and self.dice.chance(self.knobs.familiar):
            old = self.dice.pick(self.familiar)
            texts = [text for text in old.statement.texts if text != old.text]
            return Clause(old.statement, old.things, self.phrasing(texts), self.affirming())
        statement = (
            like.statement
            if like and like.statement in FACTS
            else self.dice.pick(self.dice.pick(STATEMENTS_BY_RELATION))
        )
        things = self.bind(statement)
        return None if things is None else Clause(statement, things, self.phrasing(statement.texts), self.affirming())

    def denial(self, like: Clause | None) -> Clause | None:
        """A clause that denies something which does not hold in the story."""
        if like and like.statement in DENIABLE:
            statement = like.statement
        else:
            statement = self.dice.pick(DENIABLE if self.dice.chance(self.knobs.frame) else DENIALS)
        if statement.states:
            return self.without_fact(statement, statement.deniable, self.dice.pick(DENYING))
        return self.without_fact(statement, statement.texts, "")

    def happening(self, like: Clause | None) -> Clause | None:
        """A clause that expresses none of the relations of the corpus."""
        statement = self.dice.pick(HAPPENINGS)
        return self.without_fact(statement, statement.texts, "")

    def without_fact(self, statement: Statement, texts: Sequence[str], frame: str) -> Clause | None:
        """A clause that states no fact, about random things; None if a fact of the story contradicts it."""
        things: dict[str, int] = {}
        for slot, kinds in statement.slots.items():
            things[slot] = self.dice.pick(
                [i for i, thing in enumerate(self.story.things) if thing.kind in kinds and i not in things.values()]
            )
        if any(fact in self.story.facts for fact in resolve(statement.denies, things)):
            return None
        return Clause(statement, things, self.phrasing(texts), frame)

    def affirming(self) -> str:
        """A frame that affirms the statement, or no frame."""
        return self.dice.pick(AFFIRMING) if self.dice.chance(self.knobs.framed) else ""

    def phrasing(self, texts: Sequence[str]) -> str:
        """One of the phrasings; the first (or with `reverse` the last) are the most likely."""
        weights = [1 - self.knobs.skew * i / max(len(texts) - 1, 1) for i in range(len(texts))]
        return self.dice.pick_weighted(texts, weights[::-1] if self.reverse else weights)

    def bind(self, statement: Statement) -> dict[str, int] | None:
        """Random things of which the statement is true; None if there are none."""
        bindings: list[dict[str, int]] = [{}]
        for head, relation, tail in statement.states:
            bindings = [
                {**binding, head: h, tail: t}
                for binding in bindings
                for h, _, t in self.by_relation.get(relation, ())
                if binding.get(head, h) == h
                and binding.get(tail, t) == t
                and self.story.things[h].kind in statement.slots[head]
                and self.story.things[t].kind in statement.slots[tail]
            ]
        return self.dice.pick(bindings) if bindings else None
