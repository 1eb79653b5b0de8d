"""A slow, independent reader of the corpus, which derives from the words of a document the facts that they state.

It knows the phrasings, but not how documents are generated: it parses each sentence in every possible way, and adds
what follows by the rules, which are written out here a second time.
"""

from collections import defaultdict
from itertools import combinations, product

from docre.documents import Document, Entity
from docre.synthetic import names
from docre.synthetic.distractors import AFFIRMING, DENIALS, DENYING, HAPPENINGS
from docre.synthetic.facts import FACTS
from docre.synthetic.statements import PRONOUNS, WORDS
from docre.synthetic.world import TYPES

Fact = tuple[int, str, int]
JOINERS = ("while", "and", "whereas")


def build_index():
    """For every phrasing, with the words for every combination of sexes: its slots in order, their types, the facts
    that it states and those that it excludes."""
    index = defaultdict(list)
    for statement in (*FACTS, *DENIALS, *HAPPENINGS):
        types = {slot: TYPES[kinds[0]] for slot, kinds in statement.slots.items()}
        persons = [slot for slot in types if types[slot] == "PER"]
        for text in statement.texts:
            for sexes in product(*(statement.slots[slot] for slot in persons)):
                sex = dict(zip(persons, sexes, strict=True))
                words, slots = [], []
                for token in text.split():
                    slot, _, word = token.strip("{}").partition(".")
                    if not token.startswith("{"):
                        words.append(token.lower())
                    elif word:
                        words.append(WORDS[word][sex[slot] == "woman"])
                    else:
                        words.append("#")
                        slots.append(slot)
                index[" ".join(words)].append((slots, types, statement.states, statement.denies))
    return index


INDEX = build_index()


def read_sentence(document: Document, s: int) -> list[str | int]:
    """The words in lower case, with the index of the entity in place of a mention ("Name ( SHORT )" is one mention)."""
    tokens: list[str | int] = [token.lower() for token in document.sentences[s]]
    for e, entity in enumerate(document.entities):
        for mention in entity.mentions:
            if mention.sentence == s:
                tokens[mention.start : mention.end] = [e] + [""] * (mention.end - mention.start - 1)
    tokens = [token for token in tokens if token != ""]
    for i in range(len(tokens) - 3, 0, -1):
        if tokens[i] == "(" and tokens[i + 2] == ")" and tokens[i + 1] == tokens[i - 1]:
            del tokens[i : i + 3]
    return tokens


def readings(document: Document, s: int) -> set[frozenset[tuple[Fact, frozenset[int]]]]:
    """Every way to understand sentence s: the facts that it states, each with the sentences needed to see it, and the
    facts that it excludes, without sentences."""
    *tokens, stop = read_sentence(document, s)
    assert stop == "."
    parts = [([tokens], False)]
    for i, token in enumerate(tokens):
        if token in JOINERS and tokens[i - 1] == ",":
            parts.append(([tokens[: i - 1], tokens[i + 1 :]], False))
        if token == ";":
            parts.append(([tokens[:i], tokens[i + 1 :]], False))
        if token == "and":
            parts.append(([tokens[:i], tokens[i + 1 :]], True))
    found = set()
    for clauses, shared in parts:
        first = clause(document, s, clauses[0], not shared)
        for facts, subject, pronoun in first:
            if len(clauses) == 1:
                found.add(frozenset(facts))
            elif not shared:
                found |= {frozenset(facts | more) for more, _, _ in clause(document, s, clauses[1])}
            elif subject is not None:
                for more, _, _ in clause(document, s, [subject, *clauses[1]], False, pronoun):
                    found.add(frozenset(facts | more))
    return found


def clause(document: Document, s: int, tokens: list[str | int], frames: bool = True, pronoun: bool = False):
    """Every way to understand a clause: (facts with evidence, subject, whether the subject is a pronoun)."""
    results = []
    denied = False
    for frame in (*AFFIRMING, *DENYING):
        words = frame.split()
        if tokens[: len(words)] == words:
            if not frames:
                return []
            tokens, denied = tokens[len(words) :], frame in DENYING
            break
    for kind, words in PRONOUNS.items():
        length = len(words.split())
        if tokens[:length] == words.split():
            named = {token: None for token in read_sentence(document, s - 1) if isinstance(token, int)}
            subject = next(iter(named))  # the antecedent: what the last sentence begins with
            assert [e for e in named if could_be(document.entities[e], kind)] == [subject], document.title
            tokens, pronoun = [subject, *tokens[length:]], True
    subject = tokens[0] if tokens and isinstance(tokens[0], int) else None
    mentioned = [token for token in tokens if isinstance(token, int)]
    skeleton = " ".join("#" if isinstance(token, int) else token for token in tokens)
    for slots, types, states, excludes in INDEX.get(skeleton, ()):
        if [types[slot] for slot in slots] == [document.entities[e].type for e in mentioned]:
            entity = dict(zip(slots, mentioned, strict=True))
            stated = {(entity[h], r, entity[t]) for h, r, t in states if not denied}
            facts = {(f, frozenset({s - 1, s} if pronoun and subject in (f[0], f[2]) else {s})) for f in stated}
            if denied or not states:
                facts |= {((entity[h], r, entity[t]), frozenset()) for h, r, t in excludes}
            results.append((facts, subject, pronoun))
    return results


def could_be(entity: Entity, kind: str) -> bool:
    """Whether a thing of this kind can have the name. Films, novels and albums share their names."""
    last = entity.name.split()[-1]
    if entity.type == "PER":
        return kind == ("man" if entity.name.split()[0] in names.MEN else "woman")
    if entity.type == "ORG":
        return kind == ("college" if last in names.COLLEGE_KINDS else "company")
    if entity.type == "LOC":
        country = "country" if last in names.COUNTRIES else "city"
        return kind == ("region" if last in names.REGION_KINDS else country)
    return TYPES[kind] == entity.type and last not in names.AWARD_KINDS


def closure(stated: set[Fact]) -> set[Fact]:
    """The facts, and all facts that follow from them."""
    known = set(stated)
    while True:
        new = set()
        for h, r, t in known:
            for given, result in (
                ("P22", "P40"),
                ("P25", "P40"),
                ("P26", "P26"),
                ("P36", "P1376"),
                ("P1376", "P36"),
                ("P131", "P150"),
                ("P150", "P131"),
                ("P355", "P749"),
                ("P749", "P355"),
                ("P3373", "P3373"),
            ):
                if r == given:
                    new.add((t, result, h))
            if r == "P1376":
                new.add((h, "P17", t))
            for m, q, end in known:
                if m == t and end != h:
                    if q == "P17" and r in ("P159", "P131"):  # what is in a place is in the place's country
                        new.add((h, "P17", end))
                    if q == "P40" and r in ("P22", "P25"):  # who has the same parent is a sibling
                        new.add((h, "P3373", end))
                    if r == "P3373" and q in ("P22", "P25", "P3373"):  # siblings have the same family
                        new.add((h, q, end))
        if new <= known:
            return known
        known |= new


def evidence(facts: frozenset[tuple[Fact, frozenset[int]]], label: Fact) -> tuple[int, ...]:
    """The smallest set of at most two sentences that states a label; of several the earliest."""
    facts = {(fact, needed) for fact, needed in facts if needed}
    sentences = sorted({s for _, needed in facts for s in needed})
    for size in (1, 2):
        for chosen in combinations(sentences, size):
            if label in closure({fact for fact, needed in facts if needed <= set(chosen)}):
                return chosen
    raise AssertionError(f"{label} needs more than two sentences")
