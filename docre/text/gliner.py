"""The tagger `gliner`: entities of any types, found by a GLiNER model."""

import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import accumulate, zip_longest
from typing import Any, NamedTuple

from docre.documents import Document
from docre.documents.plain import MarkedEntity, mark
from docre.errors import DocreError, first_line
from docre.text.base import TAGGERS, Tagger
from docre.text.names import join_names

LOCK = threading.Lock()  # tokenizers and data processors are not made for threads, and taggers may share a model
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

    A text with more words, or pieces of words, than the model reads at once is read in windows that overlap by a
    quarter: a mention is taken from the window in whose middle part it begins. Of mentions that overlap, the one with
    the highest score is kept. A word that is too long for the model alone is not read.

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
        self.room = room_beside(self.types, self.model)

    def __call__(self, text: str, title: str) -> Document:
        split = list(self.model.data_processor.words_splitter(text))
        words = [(start, end) for _, start, end in split]
        with LOCK:
            pieces = pieces_of([word for word, _, _ in split], self.model)
        found: list[Found] = []
        for first, last, begin, stop in windows(pieces, self.model.config.max_len, self.room):
            offset = words[first][0]
            with LOCK:
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


def pieces_of(words: Sequence[str], model: Any) -> list[int]:
    """The number of pieces of each word for the model's encoder."""
    if not words:
        return []
    tokenizer = model.data_processor.transformer_tokenizer
    encoded = tokenizer(
        list(words), is_split_into_words=True, add_special_tokens=False, truncation=False, verbose=False
    )
    counts = Counter(encoded.word_ids())
    return [counts[i] for i in range(len(words))]


def room_beside(types: list[str], model: Any) -> float:
    """How many pieces of text the model's encoder takes beside the names of the types, which stand before the text.
    Raises DocreError if it takes none."""
    tokenizer = model.data_processor.transformer_tokenizer
    ((prompt,), _) = model.data_processor.prepare_inputs([[]], [types])
    configs = (getattr(module, "config", None) for module in model.modules())
    encoder = next((config for config in configs if hasattr(config, "max_position_embeddings")), None)
    limits = [float(tokenizer.model_max_length)]
    if encoder is not None and getattr(encoder, "position_biased_input", True):  # DeBERTa counts no positions
        limits.append(encoder.max_position_embeddings)
    room = min(limits) - sum(pieces_of(prompt, model)) - tokenizer.num_special_tokens_to_add()
    if room < 1:
        raise DocreError(f"tagger 'gliner': {len(types)} types are more than the model's encoder reads at once")
    return room


def windows(pieces: Sequence[int], size: int, room: float) -> list[tuple[int, int, int, int]]:
    """Windows of at most `size` words and `room` pieces over a text, as (first, last, begin, stop): the window has the
    words [first, last), and a mention that begins in [begin, stop), its middle part, is taken from it. The middle parts
    divide the text, but for words with more than `room` pieces, which are in no window.

    pieces: of each word.
    """
    ends = [0, *accumulate(pieces)]
    found: list[tuple[int, int]] = []
    first = last = 0
    while last < len(pieces):
        if pieces[first] > room:
            first = last = first + 1
            continue
        fitting = bisect_right(ends, ends[first] + room) - 1  # the window may end before this word
        last = min(first + size, fitting, len(pieces))
        found.append((first, last))
        if last < len(pieces) and pieces[last] > room:
            first = last
        elif last < len(pieces):
            first = max(first + 1, last - (last - first) // 4)
    middles = []
    begin = 0
    for (first, last), following in zip_longest(found, found[1:]):
        stop = last if following is None or following[0] >= last else following[0] + (last - following[0]) // 2
        middles.append((first, last, max(begin, first), stop))
        begin = stop
    return middles


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
