"""Slow versions of the terms: loops over pairs, sentences and tokens, written from the formulas."""

from collections.abc import Callable

import torch
from torch import Tensor

from docre.tensors import Batch, ModelOutput

Slow = Callable[[ModelOutput, Batch], Tensor]
TERMS: dict[str, Slow] = {}


def term(name: str) -> Callable[[Slow], Slow]:
    def add(function: Slow) -> Slow:
        TERMS[name] = function
        return function

    return add


def documents(batch: Batch):
    """For each document: its pairs, its token sentences, and its number of sentences."""
    pair = token = 0
    for pairs, length, sentences in zip(batch.pair_counts, batch.document_lengths, batch.sentence_counts, strict=True):
        yield range(pair, pair + pairs), batch.token_sentence[token : token + length].tolist(), sentences
        pair, token = pair + pairs, token + length


def log(x: Tensor | float) -> Tensor:
    x = torch.as_tensor(x, dtype=torch.float64)
    return x.log() if x > 0 else torch.tensor(1e-30, dtype=torch.float64).log()


@term("evidence")
def evidence(output: ModelOutput, batch: Batch) -> Tensor:
    total = output.attention.sum() * 0
    for pairs, sentence_of, sentences in documents(batch):
        for pair in pairs:
            if not batch.labels[pair].any():
                continue
            listed = [s for p, s in batch.evidence.tolist() if p == pair]
            row = output.attention[batch.pair_context[pair]]
            for s in range(sentences):
                share = listed.count(s) / len(listed) if listed else 0.0
                if share:
                    attended = sum((row[i] for i, of in enumerate(sentence_of) if of == s), torch.tensor(0.0))
                    total = total + share * (log(share) - log(attended))
    return total


@term("attention")
def attention(output: ModelOutput, batch: Batch) -> Tensor:
    total = output.attention.sum() * 0
    teacher = batch.targets["attention"]
    for pairs, sentence_of, _ in documents(batch):
        for pair in pairs:
            context = batch.pair_context[pair]
            for i in range(len(sentence_of)):
                t = teacher[context, i]
                if t > 0:
                    total = total + t * (log(t) - log(output.attention[context, i]))
    return total


@term("contrastive")
def contrastive(output: ModelOutput, batch: Batch) -> Tensor:
    tau, tau_base = 1.0, 0.5
    pairs = [p for p in range(len(batch.labels)) if batch.labels[p].any()]
    features, labels = output.auxiliaries["representation"], batch.labels
    total = features.sum() * 0
    if len(pairs) < 2:
        return total

    def similarity(i: int, k: int) -> Tensor:
        return features[i] @ features[k] / (features[i].norm() * features[k].norm()) / tau

    for i in pairs:
        others = [k for k in pairs if k != i]
        partners = [k for k in others if (labels[i] & labels[k]).any()]
        normalizer = sum(similarity(i, k).exp() for k in others).log()
        for k in partners:
            total = total - tau / tau_base * (similarity(i, k) - normalizer) / len(partners)
    return total


@term("augmented")
def augmented(output: ModelOutput, batch: Batch) -> Tensor:
    """With the loss that `tests.terms.cases` gives the term, the mean of the squares of all logits and labels."""
    logits, labels = (output.auxiliaries[f"augmented_{name}"] for name in ("logits", "labels"))
    total = logits.sum() * 0
    for row, truth in zip(logits, labels, strict=True):
        total = total + (sum(x * x for x in row) + sum(truth.double())) / len(logits)
    return total * sum(1 for row in batch.labels if row.any())


@term("distil")
def distil(output: ModelOutput, batch: Batch) -> Tensor:
    total = output.logits.sum() * 0
    for pair in range(len(output.logits)):
        difference = output.logits[pair] - batch.targets["logits"][pair]
        total = total + sum(x * x for x in difference) / len(difference)
    return total
