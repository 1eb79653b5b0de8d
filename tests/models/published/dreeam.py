"""DREEAM (Ma et al. 2023, EACL): ATLOP whose token importance is supervised by evidence, or by a teacher.

Each `published` quirk is the default; the switches of the functions repair them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import BertConfig

from tests.models.published.padded import Document, PaddedModel, grouped_product

TINY = 1e-30


@dataclass
class Output:
    """logits [pairs, 1 + relations], context [pairs, hidden], token importance q [pairs, longest document] and sentence
    importance p [pairs, most sentences], zero where a document has fewer."""

    logits: Tensor
    context: Tensor
    token_importance: Tensor
    sentence_importance: Tensor


class DREEAM(PaddedModel):
    def __init__(
        self, config: BertConfig, num_classes: int, head_size: int, block_size: int, averaged_layers: int = 3
    ) -> None:
        super().__init__(config, averaged_layers)
        self.block_size = block_size
        self.head_extractor = nn.Linear(2 * config.hidden_size, head_size)
        self.tail_extractor = nn.Linear(2 * config.hidden_size, head_size)
        self.bilinear = nn.Linear(head_size * block_size, num_classes)

    def forward(self, documents: list[Document]) -> Output:
        read = self.read(documents)
        longest = max(len(document.input_ids) for document in documents)
        most = max(len(document.sentences) for document in documents)
        logits, contexts, tokens, sentences = [], [], [], []
        for document, (hidden, attention) in zip(documents, read, strict=True):
            e, a = self.entities(hidden, attention, document.mentions)
            heads, tails = torch.tensor(document.pairs).unbind(1)
            q = (a[heads] * a[tails]).mean(1)
            q = q / (q.sum(1, keepdim=True) + TINY)
            c = q @ hidden
            z_head = torch.tanh(self.head_extractor(torch.cat([e[heads], c], dim=1)))
            z_tail = torch.tanh(self.tail_extractor(torch.cat([e[tails], c], dim=1)))
            logits.append(self.bilinear(grouped_product(z_head, z_tail, self.block_size)))
            contexts.append(c)
            tokens.append(pad(q, (0, longest - q.shape[1])))
            # The spans are counted without [CLS].
            p = [q[:, start + 1 : end + 1].sum(1) for start, end in document.sentences]
            sentences.append(pad(torch.stack(p, dim=1), (0, most - len(p))))
        return Output(torch.cat(logits), torch.cat(contexts), torch.cat(tokens), torch.cat(sentences))


def predicted_evidence(sentence_importance: Tensor, threshold: float = 0.2, max_sentences: int | None = 25) -> Tensor:
    """Bool: the sentences of importance above the threshold, [pairs, sentences] -> [pairs, max_sentences].

    max_sentences: as published, the table has exactly 25 columns; None (repaired): all sentences.
    """
    if max_sentences is not None:
        sentence_importance = pad(sentence_importance, (0, max_sentences))[:, :max_sentences]
    return sentence_importance > threshold


def divergence(expected: Tensor, found: Tensor) -> Tensor:
    """The sum over columns of expected (ln expected - ln found), [pairs, columns] twice -> [pairs]; zeros are replaced
    by 1e-30, so a found 0 gets no gradient."""
    expected = torch.where(expected == 0, torch.full_like(expected, TINY), expected)
    found = torch.where(found == 0, torch.full_like(found, TINY), found)
    return (expected * (expected.log() - found.log())).sum(1)


def evidence_loss(
    sentence_importance: Tensor, documents: list[Document], only_with_evidence: bool = False, zero: bool = False
) -> Tensor:
    """L_evi, the mean over the pairs that have a relation.

    only_with_evidence: repaired, the mean leaves out pairs that have a relation and no evidence.
    zero: repaired, 0 where the mean is over no pair; as published NaN.
    """
    most = sentence_importance.shape[1]
    counts = torch.cat([pad(d.evidence_counts, (0, most - len(d.sentences))) for d in documents])
    counted = torch.cat([document.labels for document in documents]).any(1)
    if only_with_evidence:
        counted = counted & counts.any(1)
    counts = counts[counted].to(sentence_importance)
    losses = divergence(counts / (counts.sum(1, keepdim=True) + TINY), sentence_importance[counted])
    return losses.sum() if zero and not len(losses) else losses.mean()


def self_training_loss(token_importance: Tensor, teacher: Tensor) -> Tensor:
    """L_attn over all pairs and all tokens, [CLS] and [SEP] too; `teacher`: its q, [pairs, longest document]."""
    return divergence(teacher, token_importance).mean()
