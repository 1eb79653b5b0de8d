"""Random outputs of a model, with batches and a teacher's targets to compare them with."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from docre.data.collate import Collator, WindowPlan
from docre.data.features import Features
from docre.tensors import Batch, ModelOutput
from docre.terms import TERMS, Term
from tests.models.test_fast_equals_reference import LIMIT, RELATIONS, random_features

HIDDEN = 7  # size of auxiliaries


def collate(documents: Sequence[Features]) -> Batch:
    return Collator(WindowPlan(LIMIT, (2,), (3,)), RELATIONS)(documents)


def make_case(name: str, seed: int) -> tuple[Term, ModelOutput, Batch]:
    """A term, an output with everything that it may want (leaves that require gradients, float64), and a batch of three
    documents of several sentences, with labels, evidence and targets."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    documents = []
    for d in random_features([18, 40, 26], [3, 6, 4], seed=seed):
        length = len(d.input_ids)
        sentence = np.sort(rng.integers(0, 4, length))
        sentence[[0, -1]] = -1
        assert d.labels is not None
        listed = np.repeat(d.labels[:, 0], rng.integers(0, 3, len(d.labels)))  # some labels have no evidence
        evidence = np.stack([listed, rng.integers(0, 4, len(listed))], axis=1)
        documents.append(replace(d, token_sentence=sentence, num_sentences=4, evidence=evidence))
    batch = collate(documents)
    contexts, length = len(batch.context_first), max(batch.document_lengths)

    def attention() -> torch.Tensor:
        weights = torch.rand(contexts, length, dtype=torch.float64)
        for rows, n in zip(weights.split(batch.context_counts), batch.document_lengths, strict=True):
            rows[:, n:] = 0
        weights[torch.rand_like(weights) < 0.1] = 0
        return weights / weights.sum(1, keepdim=True)

    pairs = len(batch.pair_head)
    batch = replace(
        batch,
        targets={"logits": torch.randn(pairs, RELATIONS + 1, dtype=torch.float64), "attention": attention()},
    )
    output = ModelOutput(
        torch.randn(pairs, RELATIONS + 1, dtype=torch.float64).requires_grad_(),
        attention=attention().requires_grad_(),
        auxiliaries={
            name: auxiliary(name, pairs)
            for name in sorted(TERMS[name].wants - {"attention"})  # type: ignore[attr-defined]
        },
    )
    term = TERMS.build(name, {})
    term.use_loss(lambda output, labels: (output.logits.square().sum() + labels.sum()) / max(1, len(labels)))
    return term, output, batch


def auxiliary(name: str, pairs: int) -> torch.Tensor:
    """What a model may give beside the logits: labels as they are, everything else of HIDDEN numbers a pair."""
    if name.endswith("labels"):
        return torch.rand(pairs, RELATIONS) < 0.4
    return torch.randn(pairs, HIDDEN, dtype=torch.float64).requires_grad_()
