"""Writes a document about a story: chooses what each sentence says, writes it, and labels what it states."""

from dataclasses import dataclass

from docre.documents import Document, Entity, Mention, Triple
from docre.synthetic.clauses import Clause, ClauseGenerator
from docre.synthetic.dice import Dice
from docre.synthetic.knobs import Knobs
from docre.synthetic.rules import Fact, close
from docre.synthetic.statements import PRONOUNS, WORDS
from docre.synthetic.world import TYPES, Story

TRIES = 200  # attempts at a sentence; after half of them `plan` drops its wishes


@dataclass(frozen=True)
class Plan:
    """A sentence to be written.

    clauses: one or two clauses.
    pronoun: whether a pronoun stands for the subject of the first.
    stated, labels: those of the document with this sentence added (see DocumentWriter).
    """

    clauses: list[Clause]
    pronoun: bool
    stated: dict[Fact[int], frozenset[int]]
    labels: dict[Fact[int], frozenset[int]]


class DocumentWriter:
    """Writes one document, sentence by sentence.

    clauses: what the document says so far.
    stated:  the facts that its clauses state, each with the sentences that a reader needs to see it.
    labels:  the closure of `stated` under the rules, with evidence: at most two sentences for each label.
    mentions: the mentions of each thing, by its index in the story.
    last:    the sentence that was written last.
    """

    def __init__(self, story: Story, dice: Dice, knobs: Knobs, source: ClauseGenerator) -> None:
        self.story, self.dice, self.knobs, self.source = story, dice, knobs, source
        self.clauses: list[Clause] = []
        self.stated: dict[Fact[int], frozenset[int]] = {}
        self.labels: dict[Fact[int], frozenset[int]] = {}
        self.sentences: list[list[str]] = []
        self.mentions: dict[int, list[Mention]] = {}
        self.last: Plan | None = None
        self.write_all()

    def write_all(self) -> None:
        """Write as many clauses of each kind as the knobs ask for, in random order."""
        knobs, dice = self.knobs, self.dice
        ranges = (("fact", knobs.facts), ("denial", knobs.denials), ("happening", knobs.happenings))
        kinds = [kind for kind, (least, most) in ranges for _ in range(dice.between(least, most))]
        kinds = dice.sample(kinds, len(kinds))
        while kinds:
            size = 2 if len(kinds) > 1 and dice.chance(knobs.joined) else 1
            plan = self.plan(kinds[:size])
            kinds = kinds[size:]
            if plan:
                self.write(plan)

    # Choosing what to say.

    def plan(self, kinds: list[str]) -> Plan | None:
        """A sentence with clauses of these kinds that fits the document so far; None if none is found."""
        dice, knobs = self.dice, self.knobs
        twin, connected, followed, bridged = (
            dice.chance(p) for p in (knobs.twin, knobs.connected, knobs.followed, knobs.bridged)
        )
        for attempt in range(TRIES):
            if attempt == TRIES // 2:  # not every combination of wishes can be met
                twin = connected = followed = bridged = False
            first = self.source.draw(kinds[0])
            if first is None or (connected and self.mentions and not self.mentions.keys() & first.things.values()):
                continue
            pronoun = self.can_follow(first)
            if followed and self.can_be_followed() and not pronoun:
                continue
            clauses = [first]
            for kind in kinds[1:]:
                second = self.source.draw(kind, first if twin else None)
                if second is not None and self.can_join(first, second):
                    clauses.append(second)
            plan = self.consider(clauses, pronoun and followed) if len(clauses) == len(kinds) else None
            if plan and (not bridged or "fact" not in kinds or not self.stated or self.bridges(plan)):
                return plan
        return None

    def can_be_followed(self) -> bool:
        """Whether a pronoun after the last sentence is clear: the sentence names its subject, and nothing else that the
        pronoun could refer to. (Things of one entity type count as alike, as a name does not tell a film from a novel.)
        """
        if self.last is None or self.last.pronoun or self.last.clauses[0].subject is None:
            return False
        subject = self.last.clauses[0].subject
        named = {thing for clause in self.last.clauses for thing in clause.things.values()}
        rivals = [thing for thing in named - {subject} if self.type(thing) == self.type(subject)]
        if self.type(subject) == "PER":
            return all(self.pronoun(thing) != self.pronoun(subject) for thing in rivals)
        return bool(self.pronoun(subject)) and not rivals

    def can_follow(self, clause: Clause) -> bool:
        """Whether the subject of the clause is that of the last sentence, and a pronoun for it would be clear."""
        return self.can_be_followed() and self.last is not None and clause.subject == self.last.clauses[0].subject

    @staticmethod
    def can_join(first: Clause, second: Clause) -> bool:
        """Whether two clauses make a clear sentence: they have two subjects, or predicates that "and" can join."""
        if first.repeats(second):
            return False
        return first.subject != second.subject or (first.coordinates and not second.frame)

    def consider(self, clauses: list[Clause], pronoun: bool) -> Plan | None:
        """The sentence with these clauses; None if it repeats something, or a label would need three sentences."""
        if any(clause.repeats(old) for clause in clauses for old in self.clauses):
            return None
        here = len(self.sentences)
        stated = dict(self.stated)
        for clause in clauses:
            for fact in clause.facts:
                if fact in self.labels or fact in stated:
                    return None
                referred = pronoun and clauses[0].subject in (fact[0], fact[2]) and clause.subject == clauses[0].subject
                stated[fact] = frozenset((here - 1, here) if referred else (here,))
        labels = close(stated)
        if any(len(evidence) > 2 for evidence in labels.values()):
            return None
        return Plan(clauses, pronoun, stated, labels)

    def bridges(self, plan: Plan) -> bool:
        """Whether a new fact follows from the sentence and an earlier one together, though neither states it."""
        here = len(self.sentences)
        return not plan.pronoun and any(
            len(evidence) == 2 and here in evidence for fact, evidence in plan.labels.items() if fact not in self.labels
        )

    # Writing it.

    def write(self, plan: Plan) -> None:
        """Add the sentence to the document."""
        first = plan.clauses[0]
        tokens: list[str] = []
        self.sentences.append(tokens)
        self.write_clause(
            first, tokens, self.pronoun(first.subject) if plan.pronoun and first.subject is not None else None
        )
        for second in plan.clauses[1:]:
            if second.subject is not None and second.subject == first.subject:
                tokens.append("and")
                self.write_clause(second, tokens, "")
            else:
                tokens += [";"] if first.frame else [",", self.dice.pick(("while", "and", "whereas"))]
                self.write_clause(second, tokens, None)
        tokens.append(".")
        tokens[0] = tokens[0][0].upper() + tokens[0][1:]
        self.clauses += plan.clauses
        self.stated, self.labels, self.last = plan.stated, plan.labels, plan

    def write_clause(self, clause: Clause, tokens: list[str], subject: str | None) -> None:
        """Append a clause. `subject` stands for the thing that it begins with (None: it is mentioned by name)."""
        tokens += clause.frame.split()
        for position, token in enumerate(clause.text.split()):
            if not token.startswith("{"):
                tokens.append(token)
                continue
            slot, _, word = token.strip("{}").partition(".")
            thing = clause.things[slot]
            if word:
                tokens.append(WORDS[word][self.story.things[thing].kind == "woman"])
            elif position == 0 and subject is not None:
                tokens += subject.split()
            else:
                self.write_mention(thing, tokens)

    def write_mention(self, index: int, tokens: list[str]) -> None:
        """Append a mention of the thing, and at its first mention possibly one of its abbreviation."""
        thing = self.story.things[index]
        names = [thing.name]
        if index not in self.mentions:
            if thing.short and self.dice.chance(self.knobs.introduced):
                names.append(thing.short)
        elif thing.aliases and self.dice.chance(self.knobs.alias):
            introduced = any(mention.name == thing.short for mention in self.mentions[index])
            names = [thing.short if introduced else self.dice.pick(thing.aliases)]
        mentions = self.mentions.setdefault(index, [])
        for i, name in enumerate(names):
            tokens += ["("] * (i > 0)
            start = len(tokens)
            tokens += name.split()
            mentions.append(Mention(name, len(self.sentences) - 1, start, len(tokens), self.type(index)))
            tokens += [")"] * (i > 0)

    def type(self, index: int) -> str:
        """The entity type of the thing."""
        return TYPES[self.story.things[index].kind]

    def pronoun(self, index: int) -> str:
        """The pronoun or phrase that can stand for the thing in the next sentence; "" if it is always named."""
        return PRONOUNS.get(self.story.things[index].kind, "")

    def document(self, number: str) -> Document:
        """The finished document. Its title is the name of its first entity and `number`; entities are in order of
        appearance, labels in order of head and tail."""
        index = {thing: i for i, thing in enumerate(self.mentions)}
        triples = [
            Triple(index[head], index[tail], relation, tuple(sorted(evidence)))
            for (head, relation, tail), evidence in self.labels.items()
        ]
        triples.sort(key=lambda triple: (triple.head, triple.tail, triple.relation))
        entities = [Entity(tuple(mentions)) for mentions in self.mentions.values()]
        return Document(f"{entities[0].name} ({number})", self.sentences, entities, triples)
