"""Random documents and a tiny encoder, for comparing docre's models with the published ones beyond golden values."""

import random
from collections.abc import Iterator

import torch
from transformers import BertConfig, BertModel

from tests.models.published.padded import Document
from tests.tiny import sharpen

RELATIONS = 5
LIMIT = 48  # tokens of a window
SIZES = dict(vocab_size=70, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
SPECIAL = dict(max_position_embeddings=LIMIT, pad_token_id=0, cls_token_id=2, sep_token_id=3)


def tiny_config() -> BertConfig:
    """A BERT without dropout, so that training is comparable too."""
    return BertConfig(**SIZES, **SPECIAL, hidden_dropout_prob=0, attention_probs_dropout_prob=0)


def tiny_encoder() -> BertModel:
    """It, with random weights."""
    return sharpen(BertModel(tiny_config()))


def random_document(rng: random.Random, length: int, entities: int, share: float) -> Document:
    """Some entities have no mentions; `share` of the pairs are candidates."""
    starts = [[rng.randrange(length - 2) for _ in range(rng.randint(int(e % 4 < 3), 3))] for e in range(entities)]
    mentions = [[[start, start + 1] for start in of_entity] for of_entity in starts]
    pairs = [[h, t] for h in range(entities) for t in range(entities) if h != t and rng.random() < share]
    labels = torch.zeros(len(pairs), RELATIONS, dtype=torch.bool)
    for row in range(len(pairs)):
        labels[row, rng.randrange(RELATIONS)] = rng.random() < 0.2
    ids = [2, *(rng.randrange(5, 70) for _ in range(length - 2)), 3]
    return Document(ids, mentions, pairs, labels, title=f"{length} tokens, {entities} entities, {rng.random()}")


def random_batches(seed: int) -> Iterator[list[Document]]:
    """Batches of documents of several sizes: of one window and of two, of one entity and of many, of all pairs and of
    some."""
    rng = random.Random(seed)
    sizes = [
        (rng.randint(8, 2 * LIMIT), rng.randint(4, 14)),
        *((rng.randint(8, 40), e) for e in rng.sample(range(1, 9), 3)),
    ]
    yield [random_document(rng, *size, 1.0) for size in sizes[: rng.randint(1, 4)]]
    yield [random_document(rng, *size, 0.4) for size in ((20, 1), (30, 3), (2 * LIMIT, 5), (40, 11), (60, 4))]
