"""The facts that a training set states. Ign-F1 leaves predictions of them out."""

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
    """The facts of a training set, by the names of the entities.

    facts:           every (head name, tail name, relation).
    relation_counts: how often each relation occurs, counting the distinct triples of documents or the facts of a
                     `.fact` file.
    """

    facts: frozenset[Fact]
    relation_counts: Mapping[str, int]

    def state(self, heads: Iterable[str], tails: Sequence[str], relation: str) -> bool:
        """Whether the training set states the relation between any name in `heads` and any name in `tails`."""
        return any((head, tail, relation) in self.facts for head in heads for tail in tails)


def train_facts(documents: Iterable[Document], source: str = "training data") -> TrainFacts:
    """The facts of labeled documents, whether annotated by people or by distant supervision.

    A triple states one fact for every mention name of its head combined with every mention name of its tail. Documents
    without labels state none. Raises DocreError, beginning with `source`, if there are documents but none has labels.
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

    Raises DocreError, which names the file and the entry, if the content is anything else.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise DocreError(f"{path}: expected a JSON list of [head name, tail name, relation]{hint(path, FACTS)}")
    for i, fact in enumerate(content):
        if not isinstance(fact, list) or len(fact) != 3 or not all(isinstance(part, str) for part in fact):
            expected = "expected three strings [head name, tail name, relation]"
            raise DocreError(f"{path}: entry {i}: {expected}{hint(path, FACTS)}")
    facts = frozenset((head, tail, relation) for head, tail, relation in content)
    return TrainFacts(facts, Counter(relation for _, _, relation in facts))
