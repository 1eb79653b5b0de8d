"""A tagger for tests that knows the gold entities, and spoils some of them with known probabilities."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from docre.documents import Document
from docre.documents.plain import MarkedEntity, mark
from docre.text import Tagger

GOLD: dict[str, list[MarkedEntity]] = {}  # the entities of each text, in characters


def know(documents: Sequence[Document]) -> None:
    """Let the tagger find the entities of these documents in their plain text."""
    for document in documents:
        starts: list[list[tuple[int, int]]] = []
        at = 0
        for sentence in document.sentences:
            spans = []
            for token in sentence:
                spans.append((at, at + len(token)))
                at += len(token) + 1
            starts.append(spans)
        GOLD[document.plain_text] = [
            MarkedEntity(
                e.type, [(starts[m.sentence][m.start][0], starts[m.sentence][m.end - 1][1]) for m in e.mentions]
            )
            for e in document.entities
        ]


@dataclass
class NoisyTagger(Tagger):
    """Gives each mention a score s, uniform from `lowest` to 1, and with probability 1 - s a wrong end or beginning;
    likewise each entity, which then has a further mention that is none. So a score is the probability that what it
    belongs to is right.
    """

    lowest: float = 0.5
    seed: int = 0

    def __call__(self, text: str, title: str) -> Document:
        rng = random.Random(f"{self.seed} {text}")
        found = []
        for entity in GOLD.get(text, []):
            spans, scores = [], []
            for start, end in dict.fromkeys(entity.spans):
                score = rng.uniform(self.lowest, 1)
                if rng.random() >= score:
                    start, end = wider(start, end, text)
                spans.append((start, end))
                scores.append(score)
            own = rng.uniform(self.lowest, 1)
            if rng.random() >= own:
                other = free_word(rng, text, spans)
                spans, scores = [*spans, other], [*scores, 1.0]
            if spans:
                found.append(MarkedEntity(entity.type, spans, own, scores))
        return mark(title, text, found)


def wider(start: int, end: int, text: str) -> tuple[int, int]:
    """A span that is not the given one: with the next word, or that before, or one character less."""
    after = text.find(" ", end + 1)
    if end < len(text) and after > 0:
        return start, after
    return max(text.rfind(" ", 0, max(start - 1, 0)) + 1, 0), end


def free_word(rng: random.Random, text: str, spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """A word of the text that is none of the spans."""
    words, at = [], 0
    for word in text.split(" "):
        words.append((at, at + len(word)))
        at += len(word) + 1
    return rng.choice([word for word in words if word not in spans and word[0] < word[1]])
