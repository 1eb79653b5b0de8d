"""The entity model and the clustering again, one span and one pair at a time."""

from itertools import combinations

import numpy as np
import torch
from torch.nn.functional import gelu

from docre.entities.model import EntityModel
from docre.entities.shapes import KINDS, kind


def shape(features, word: int):
    """The kinds of five words, that in the middle the given one; zeros beyond its sentence."""
    found = torch.zeros(5, len(KINDS))
    for column, place in enumerate(range(word - 2, word + 3)):
        if 0 <= place < len(features.texts) and features.words[place, 2] == features.words[word, 2]:
            found[column, kind(features.texts[place])] = 1
    return found.flatten()


def ends(tokens, features, start: int, end: int):
    """The first and the last word of a span as the model sees them. `tokens`: the hidden states of the document and
    what follows."""
    first, last = tokens[features.words[start, 0]], tokens[features.words[end - 1, 1]]
    return torch.cat([first, shape(features, start)]), torch.cat([last, shape(features, end - 1)])


def span_logits(model: EntityModel, tokens, features, start: int, end: int):
    """The logits of the types of one span, from one word to before another."""
    first, last = ends(tokens, features, start, end)
    hidden = model.first(first) + model.last(last) + model.length.weight[end - start]
    return model.types(gelu(hidden))


def mention(model: EntityModel, tokens, features, start: int, end: int):
    return gelu(model.mention(torch.cat(ends(tokens, features, start, end))))


def pair_logit(model: EntityModel, one, other, names):
    weight = model.sum.weight @ one + model.sum.weight @ other + model.product.weight @ (one * other)
    return (model.same.weight @ gelu(weight + model.names(names)) + model.same.bias)[0]


def clusters(same, threshold: float, method: str) -> list[list[int]]:
    """Agglomerative clustering: the most similar two clusters are joined as long as their similarity is enough."""
    parts = [[i] for i in range(len(same))]
    linkage = {"average": np.mean, "complete": np.min}[method]

    def similarity(pair) -> float:
        return float(linkage([same[i, j] for i in parts[pair[0]] for j in parts[pair[1]]]))

    while len(parts) > 1:
        best = max(combinations(range(len(parts)), 2), key=similarity)
        if similarity(best) < threshold:
            break
        joined = sorted(parts[best[0]] + parts[best[1]])
        parts = [part for i, part in enumerate(parts) if i not in best] + [joined]
    return sorted(parts)


def comparison(one: list[str], other: list[str]) -> list[float]:
    """The first four numbers of Names.compare, pair by pair."""
    a, b = (" ".join(name).casefold() for name in (one, other))
    words = [set(text.split()) for text in (a, b)]
    threes = [{f" {text} "[i : i + 3] for i in range(len(text))} for text in (a, b)]
    shared = len(words[0] & words[1])
    smaller = min(map(len, words))
    return [
        float(a == b),
        shared / len(words[0] | words[1]),
        shared / smaller,
        len(threes[0] & threes[1]) / len(threes[0] | threes[1]),
    ]
