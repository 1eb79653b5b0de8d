"""Random choices that are the same in every version of Python."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A random generator built on random.Random.random() alone, whose sequence Python promises never to change."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self._random() < probability

    def between(self, low: int, high: int) -> int:
        """An integer from low to high, both included."""
        return low + int(self._random() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """One item, all equally likely."""
        return items[int(self._random() * len(items))]

    def pick_weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """One item, with a probability proportional to its weight. The last weight must be positive."""
        total = 0.0
        for weight in weights:  # not sum(), which rounds differently since Python 3.12
            total += weight
        point = self._random() * total
        for item, weight in zip(items, weights, strict=True):
            point -= weight
            if point < 0:
                return item
        return items[-1]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different items in random order."""
        rest = list(items)
        return [rest.pop(int(self._random() * len(rest))) for _ in range(count)]
