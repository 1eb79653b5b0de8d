"""DREEAM's evidence supervision: the attention of a labeled pair is drawn to its gold evidence sentences."""

from typing import Literal

import torch
from torch import Tensor

from docre.tensors import Batch, ModelOutput
from docre.terms.base import TERMS, TINY, Term, divergence


@TERMS.register("evidence")
class EvidenceTerm(Term):
    """KL divergence of the attention by sentence from the gold evidence, a mean over the M pairs with a relation.

        L = (1 / M) sum_pairs sum_s v_s (ln v_s - ln p_s),    p_s = sum_{l in s} q_l

    q_l is the context attention of the pair to token l, p_s its sum over the tokens of sentence s, and v_s the share of
    sentence s in the evidence of the pair's triples: a sentence that two triples list counts twice.

    Parameter: over, the pairs that M counts: "labeled" with a relation, as published; or, repaired, "with_evidence".
    Pairs without evidence add 0, so the two differ by a factor: on Re-DocRED, most of whose added triples have no
    evidence, the published mean makes the term weaker.
    Published weight: 0.1 with BERT-base, 0.05 with RoBERTa-large.
    Reference: Ma et al. 2023 (EACL), DREEAM, eq. 7 to 9.
    """

    reference = "Ma et al. 2023 (EACL), DREEAM, section 3"
    wants = frozenset({"attention"})

    def __init__(self, over: Literal["labeled", "with_evidence"] = "labeled") -> None:
        super().__init__()
        self.over = over

    def forward(self, output: ModelOutput, batch: Batch) -> Tensor:
        assert output.attention is not None and batch.labels is not None
        (labeled,) = batch.labels.any(1).nonzero(as_tuple=True)
        by_sentence = sum_by_sentence(output.attention, batch)
        evidence = by_sentence.new_zeros(len(batch.labels), by_sentence.shape[1])
        pair, sentence = batch.evidence.unbind(1)
        evidence.index_put_((pair, sentence), evidence.new_ones(()), accumulate=True)
        evidence = evidence.index_select(0, labeled)
        share = evidence / (evidence.sum(1, keepdim=True) + TINY)
        return divergence(share, by_sentence.index_select(0, batch.pair_context.index_select(0, labeled))).sum()


def sum_by_sentence(attention: Tensor, batch: Batch) -> Tensor:
    """How much of its attention each context gives to each sentence of its document: [contexts, longest document] ->
    [contexts, most sentences], zero beyond the document. The tokens of [CLS] and [SEP] belong to no sentence, so the
    sum over sentences is below 1."""
    width = max(batch.sentence_counts, default=0)
    parts = []
    rows = attention.split(batch.context_counts)
    for weights, sentence in zip(rows, batch.token_sentence.split(batch.document_lengths), strict=True):
        sums = weights.new_zeros(len(weights), width + 1)  # the first column is that of no sentence
        parts.append(sums.index_add(1, sentence + 1, weights[:, : len(sentence)])[:, 1:])
    return torch.cat(parts)
