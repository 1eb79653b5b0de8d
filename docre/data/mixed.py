"""Training documents of which there are two versions: with gold entities, and with those that a tagger found."""

from collections.abc import Sequence

import numpy as np

from docre.data.features import Features, Ints
from docre.documents import Document
from docre.errors import DocreError


class MixedFeatures(Sequence[Features]):
    """The features of N documents with gold entities, followed by those of the same N documents with found ones."""

    def __init__(self, gold: Sequence[Features], tagged: Sequence[Features], share: float, seed: int) -> None:
        """share: in each epoch, each document has found entities with this probability."""
        self.gold = gold
        self.tagged = tagged
        self.share = share
        self.seed = seed

    def __len__(self) -> int:
        return 2 * len(self.gold)

    def __getitem__(self, index: int) -> Features:  # type: ignore[override]  # no slices
        n = len(self.gold)
        return self.gold[index] if index < n else self.tagged[index - n]

    def versions(self, epoch: int) -> Ints:
        """[N] the position in this sequence of each document's version in an epoch (from 0). It depends on the seed and
        the epoch only, so that an interrupted run resumes exactly."""
        n = len(self.gold)
        taken = np.random.default_rng([self.seed, epoch, 1]).random(n) < self.share
        return np.arange(n) + n * taken


def check_same_documents(gold: Sequence[Document], tagged: Sequence[Document], source: str) -> None:
    """Raises DocreError, beginning with `source` (the file of the found entities), unless both are the same documents,
    in the same order, and all found ones are labeled."""
    if len(gold) != len(tagged):
        raise DocreError(f"{source}: {len(tagged)} documents, but data.train has {len(gold)}: it needs the same ones")
    for i, (one, other) in enumerate(zip(gold, tagged, strict=True)):
        if one.title != other.title:
            raise DocreError(f"{source}: document {i}: {other.title!r}, but in data.train {one.title!r}")
        if other.triples is None:
            raise DocreError(f"{source}: {other.fail('no labels, but training needs them')}")
