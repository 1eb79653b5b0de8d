"""Excerpts of documents: some sentences of a document as a document of their own, with the entities mentioned there."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from docre.data.features import Features, Ints, unordered_pairs

Bools = NDArray[np.bool_]


class Excerpt(NamedTuple):
    """The features of an excerpt, and the position in the whole document of each of its pairs, [pairs]."""

    features: Features
    pair: Ints


def evidence_excerpts(document: Features, evidence: Bools) -> Iterator[Excerpt]:
    """One excerpt for each distinct set of evidence sentences, completed so that head and tail are mentioned.

    evidence: [pairs, sentences], the evidence of each pair; a pair without any makes no excerpt. The first sentence
              that mentions the head is added if the evidence does not mention it, and then the same for the tail.
    """
    mentioned = np.zeros((document.num_entities, document.num_sentences), dtype=bool)
    mentioned[document.mention_entity, document.token_sentence[document.mentions[:, 0]]] = True
    (rows,) = evidence.any(axis=1).nonzero()
    chosen = evidence[rows]
    for side in (0, 1):
        own = mentioned[document.pairs[rows, side]]
        (missing,) = (own.any(axis=1) & ~(own & chosen).any(axis=1)).nonzero()
        chosen[missing, own[missing].argmax(axis=1)] = True
    for sentences in np.unique(chosen, axis=0):
        yield excerpt(document, sentences)


def excerpt(document: Features, sentences: Bools) -> Excerpt:
    """The document reduced to some of its `sentences`, bool [sentences]: [CLS], their tokens in order, [SEP]; the
    entities with a mention inside, renumbered, with these mentions; the candidate pairs between them."""
    kept = np.append(sentences, False)[document.token_sentence]  # -1, for no sentence, is the last
    position = np.cumsum(kept)
    inside = kept[document.mentions[:, 0]]
    starts = document.mentions[inside, 0]
    entities, mention_entity = np.unique(document.mention_entity[inside], return_inverse=True)
    (pair,) = np.isin(document.pairs, entities).all(axis=1).nonzero()
    pairs = np.searchsorted(entities, document.pairs[pair])
    contexts, pair_context = unordered_pairs(pairs)
    ids = document.input_ids
    shortened = replace(
        document,
        input_ids=np.concatenate([ids[:1], ids[kept], ids[-1:]]),
        mentions=document.mentions[inside] + (position[starts] - starts)[:, None],
        mention_entity=mention_entity.reshape(-1),
        num_entities=len(entities),
        pairs=pairs,
        contexts=contexts,
        pair_context=pair_context,
        labels=None,
        token_sentence=np.concatenate([[-1], document.token_sentence[kept], [-1]]),
        evidence=document.evidence[:0],
        targets={},
    )
    return Excerpt(shortened, pair)
