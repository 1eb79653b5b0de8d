"""The facts that a training set states. Ign-F1 leaves predictions of them out."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from docre.core.files import read_json
from docre.documents import Document
from docre.errors import DocreError
from docre.formats import FACTS, hint

Fact = tuple[str, str, str]  # (head name, tail name, relation)
MERGE_SIZE = 1 << 18  # facts that are added before they are sorted in


class FactSet:
    """A set of facts in 8 bytes each: it keeps hashes of 64 bits, sorted. Distant supervision states millions of facts,
    which would take 300 bytes each as strings.

    A fact that is not in a set of n is said to be in it with a probability of n / 2**64: for 10 million facts and a
    million questions, 1 in 2 million that any answer is wrong.
    """

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self._sorted = np.zeros(0, dtype=np.uint64)
        self._new = array("Q")
        self.update(facts)

    def update(self, facts: Iterable[Fact]) -> None:
        """Add facts."""
        for fact in facts:
            self._new.append(fact_hash(fact))
            if len(self._new) >= MERGE_SIZE:
                self._merge()

    def _merge(self) -> None:
        if self._new:
            self._sorted = np.union1d(self._sorted, np.array(self._new, dtype=np.uint64))
            self._new = array("Q")

    def __contains__(self, fact: Fact) -> bool:
        self._merge()
        wanted = np.uint64(fact_hash(fact))
        position = int(np.searchsorted(self._sorted, wanted))
        return position < len(self._sorted) and bool(self._sorted[position] == wanted)

    def __len__(self) -> int:
        self._merge()
        return len(self._sorted)


def fact_hash(fact: Fact) -> int:
    """A hash of 64 bits, the same in every process. The lengths tell apart names that are only divided differently."""
    head, tail, relation = fact
    text = f"{len(head)} {len(tail)} {head}{tail}{relation}"
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class TrainFacts:
    """The facts of a training set, by the names of the entities.

    facts:           every (head name, tail name, relation).
    relation_counts: how often each relation occurs, counting the distinct triples of documents or the facts of a
                     `.fact` file.
    """

    facts: FactSet
    relation_counts: Mapping[str, int]

    def state(self, heads: Iterable[str], tails: Sequence[str], relation: str) -> bool:
        """Whether the training set states the relation between any name in `heads` and any name in `tails`."""
        return any((head, tail, relation) in self.facts for head in heads for tail in tails)


class FactCollector:
    """Collects the facts of labeled documents, one document after another. See `train_facts`."""

    def __init__(self) -> None:
        self._facts = FactSet()
        self._counts: Counter[str] = Counter()

    def add(self, document: Document) -> None:
        """Add the facts of one more document; without labels it states none."""
        if document.triples is None:
            return
        names = [{mention.name for mention in entity.mentions} for entity in document.entities]
        triples = {(triple.head, triple.tail, triple.relation) for triple in document.triples}
        for head, tail, relation in triples:
            self._facts.update((h, t, relation) for h in names[head] for t in names[tail])
        self._counts.update(relation for _, _, relation in triples)

    def result(self) -> TrainFacts:
        """The facts of the documents so far."""
        return TrainFacts(self._facts, self._counts)


def train_facts(documents: Iterable[Document], source: str = "training data") -> TrainFacts:
    """The facts of labeled documents, whether annotated by people or by distant supervision.

    A triple states one fact for every mention name of its head combined with every mention name of its tail. Documents
    without labels state none. Raises DocreError, beginning with `source`, if there are documents but none has labels.
    """
    collector = FactCollector()
    unlabeled = labeled = 0
    for document in documents:
        unlabeled += document.triples is None
        labeled += document.triples is not None
        collector.add(document)
    if unlabeled and not labeled:
        raise DocreError(f"{source}: none of {unlabeled} documents has labels, so it has no facts for Ign-F1")
    return collector.result()


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
    facts = {(head, tail, relation) for head, tail, relation in content}
    return TrainFacts(FactSet(facts), Counter(relation for _, _, relation in facts))
