"""A slow, independent featurizer in the style of published code: word by word, pair by pair, labels as 0/1 lists."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from docre.documents import Document


class SlowFeatures(NamedTuple):
    """ids: token ids, [CLS] and [SEP] included. starts: for each entity, the positions of its mentions' start markers.
    labels: for each pair, 0 or 1 for "no relation" and for each relation."""

    ids: list[int]
    starts: list[list[int]]
    pairs: list[tuple[int, int]]
    labels: list[list[int]]


def slow_features(document: Document, tokenizer: Any, relations: Sequence[str], max_tokens: int = 1024) -> SlowFeatures:
    """The features by their definition: every word is tokenized by itself, with a `*` before and after each mention."""
    begins, ends = set(), set()
    for entity in document.entities:
        for mention in entity.mentions:
            begins.add((mention.sentence, mention.start))
            ends.add((mention.sentence, mention.end - 1))
    pieces: list[str] = []
    position = {}
    for s, sentence in enumerate(document.sentences):
        for w, word in enumerate(sentence):
            position[s, w] = len(pieces)
            pieces.extend((["*"] if (s, w) in begins else []) + tokenizer.tokenize(word))
            pieces.extend(["*"] if (s, w) in ends else [])
    ids = tokenizer.convert_tokens_to_ids(pieces)[: max_tokens - 2]
    starts = [[position[m.sentence, m.start] + 1 for m in entity.mentions] for entity in document.entities]
    count = len(document.entities)
    everything = [(h, t) for h in range(count) for t in range(count) if h != t]
    pairs = everything if document.pairs is None else sorted(set(document.pairs), key=document.pairs.index)
    number = {relation: r for r, relation in enumerate(relations)}
    labels = []
    for pair in pairs:
        row = [0] * (len(relations) + 1)
        for triple in document.triples or ():
            if (triple.head, triple.tail) == pair:
                row[number[triple.relation] + 1] = 1
        row[0] = int(not any(row))
        labels.append(row)
    within = [[start for start in entity if start < max_tokens - 1] for entity in starts]
    return SlowFeatures([tokenizer.cls_token_id, *ids, tokenizer.sep_token_id], within, pairs, labels)
