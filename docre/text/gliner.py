"""The tagger `gliner`: entities of any types, found by a GLiNER model."""

import threading
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from docre.documents import Document
from docre.documents.plain import MarkedEntity, mark
from docre.errors import DocreError, first_line
from docre.text.base import TAGGERS, Tagger
from docre.text.names import join_names

TYPES = ("person", "organization", "location", "date", "event", "work")


class Found(NamedTuple):
    """A mention: characters [start, end) of the text."""

    score: float
    start: int
    end: int
    type: str


@TAGGERS.register("gliner")
class GlinerTagger(Tagger):
    """The entities of any types that a GLiNER model finds, with scores; those with one name joined (docre.text.names).

    A text with more words than the model reads at once is read in windows that overlap by a quarter: a mention is taken
    from the window in whose middle part it begins. Of mentions that overlap, the one with the highest score is kept.

    model:     a hub name, or a folder with gliner_config.json and weights in safetensors.
    types:     the types of entities to find, in words; by default person, organization, location, date, event, work.
    threshold: the lowest score of a mention, above 0 and below 1.
    """

    reference = "Zaratiana et al. (2024), GLiNER: Generalist Model for Named Entity Recognition, NAACL"

    def __init__(
        self,
        model: str = "urchade/gliner_medium-v2.1",
        types: list[str] | None = None,
        threshold: float = 0.5,
    ) -> None:
        types = list(TYPES) if types is None else types
        if not types or not all(type_.strip() for type_ in types):
            raise DocreError("tagger 'gliner', parameter 'types': expected the names of types")
        if not 0 < threshold < 1:
            raise DocreError(f"tagger 'gliner', parameter 'threshold': expected 0 < threshold < 1, got {threshold}")
        self.types = list(dict.fromkeys(types))
        self.threshold = threshold
        self.model = load_model(model)
        self.lock = threading.Lock()  # GLiNER's tokenizers and data processors are not made for threads

    def __call__(self, text: str, title: str) -> Document:
        words = [(start, end) for _, start, end in self.model.data_processor.words_splitter(text)]
        found: list[Found] = []
        for first, last, begin, stop in windows(len(words), self.model.config.max_len):
            offset = words[first][0]
            with self.lock:
                mentions = self.model.predict_entities(
                    text[offset : words[last - 1][1]], self.types, threshold=self.threshold
                )
            for mention in mentions:
                start = offset + mention["start"]
                if words[begin][0] <= start < (words[stop][0] if stop < len(words) else len(text)):
                    found.append(Found(mention["score"], start, offset + mention["end"], mention["label"]))
        return mark(title, text, joined(text, without_overlaps(found)))


@cache
def load_model(name: str) -> Any:
    """The GLiNER model called `name`. Raises DocreError if it, or the library, is not there."""
    try:
        from gliner import GLiNER
    except ImportError as error:
        raise DocreError(f"the tagger 'gliner' needs {error.name}: pip install 'docre[gliner]'") from None
    try:
        return GLiNER.from_pretrained(name).eval()
    except Exception as error:  # of whatever kind: GLiNER and the hub document none
        raise DocreError(f"GLiNER model {name!r}: {first_line(error)}") from None


def windows(count: int, size: int) -> list[tuple[int, int, int, int]]:
    """Windows over `count` words of at most `size` words, as (first, last, begin, stop): the window has the words
    [first, last), and a mention that begins in [begin, stop), its middle part, is taken from it. The middle parts
    divide the text."""
    step = max(1, size - size // 4)
    firsts = list(range(0, max(count - size, 0) + step, step)) if count else []
    bounds = [0, *(first + size // 8 for first in firsts[1:]), count]
    return [(f, min(f + size, count), b, s) for f, b, s in zip(firsts, bounds, bounds[1:], strict=False) if b < s]


def without_overlaps(found: Sequence[Found]) -> list[Found]:
    """The mentions in the order of the text; of overlapping ones the one with the highest score, then the first."""
    kept: list[tuple[int, int]] = []
    chosen: list[Found] = []
    for mention in sorted(found, key=lambda m: (-m.score, m.start, m.end, m.type)):
        at = bisect_right(kept, (mention.start, mention.start))
        before = at == 0 or kept[at - 1][1] <= mention.start
        if before and (at == len(kept) or mention.end <= kept[at][0]):
            kept.insert(at, (mention.start, mention.end))
            chosen.append(mention)
    return sorted(chosen, key=lambda m: m.start)


def joined(text: str, found: Sequence[Found]) -> list[MarkedEntity]:
    """The entities: mentions of one name and type."""
    groups = join_names([(text[m.start : m.end], m.type) for m in found])
    return [
        MarkedEntity(
            found[group[0]].type,
            [(found[i].start, found[i].end) for i in group],
            None,
            [min(max(found[i].score, 0.0), 1.0) for i in group],
        )
        for group in groups
    ]
