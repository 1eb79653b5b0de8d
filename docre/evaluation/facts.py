"""The facts that a training set states, which Ign-F1 leaves out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from docre.core.files import read_json
from docre.documents import Document
from docre.errors import DocreError
from docre.formats import FACTS, hint

Fact = tuple[str, str, str]  # (head name, tail name, relation)


@dataclass(frozen=True)
class TrainFacts:
    """What a training set states, by name.

    facts:           every (head name, tail name, relation).
    relation_counts: how often each relation occurs: distinct triples of documents, or facts of a `.fact` file.
    """

    facts: frozenset[Fact]
    relation_counts: Mapping[str, int]

    def state(self, heads: Iterable[str], tails: Sequence[str], relation: str) -> bool:
        """Whether any of the names `heads` has the relation to any of the names `tails`."""
        return any((head, tail, relation) in self.facts for head in heads for tail in tails)


def train_facts(documents: Iterable[Document], source: str = "training data") -> TrainFacts:
    """The facts of labeled documents, human or distant: a triple states a fact for every pair of a mention name of
    its head and one of its tail. Documents without labels add nothing.

    Raises DocreError, beginning with `source`, where there are documents and none of them is labeled.
    """
    facts: set[Fact] = set()
    counts: Counter[str] = Counter()
    unlabeled = labeled = 0
    for document in documents:
        if document.triples is None:
            unlabeled += 1
            continue
        labeled += 1
        names = [{mention.name for mention in entity.mentions} for entity in document.entities]
        triples = {(triple.head, triple.tail, triple.relation) for triple in document.triples}
        for head, tail, relation in triples:
            facts.update((h, t, relation) for h in names[head] for t in names[tail])
        counts.update(relation for _, _, relation in triples)
    if unlabeled and not labeled:
        raise DocreError(f"{source}: none of {unlabeled} documents has labels, so it has no facts for Ign-F1")
    return TrainFacts(frozenset(facts), counts)


def read_fact_file(path: str | Path) -> TrainFacts:
    """The facts of a `.fact` file: a JSON list of [head name, tail name, relation], as the official scorer caches them.

    Raises DocreError that names the file and the entry for anything else.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise DocreError(f"{path}: expected a JSON list of [head name, tail name, relation]{hint(path, FACTS)}")
    for i, fact in enumerate(content):
        if not isinstance(fact, list) or len(fact) != 3 or not all(isinstance(part, str) for part in fact):
            expected = "expected three texts [head name, tail name, relation]"
            raise DocreError(f"{path}: entry {i}: {expected}{hint(path, FACTS)}")
    facts = frozenset((head, tail, relation) for head, tail, relation in content)
    return TrainFacts(facts, Counter(relation for _, _, relation in facts))
