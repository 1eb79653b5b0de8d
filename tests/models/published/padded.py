"""The common ground of the published models, as ATLOP has it: padded BERT, two windows, entities from their markers."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel


@dataclass(frozen=True)
class Document:
    """One document as token ids. All spans are [start, end), counted without [CLS].

    input_ids:       with [CLS] and [SEP].
    mentions:        of each entity, the spans of its mentions, the markers included.
    pairs:           (head, tail) of each pair.
    labels:          [pairs, relations] bool, True where the relation holds; column 0 is the first relation.
    sentences:       the spans of the sentences.
    evidence_counts: [pairs, sentences] how many of the pair's triples list the sentence.
    title:           its title, where it has one.
    mention_sentences: of each entity, the sentence of each mention.
    """

    input_ids: list[int]
    mentions: list[list[list[int]]]
    pairs: list[list[int]]
    labels: Tensor
    sentences: list[list[int]] = field(default_factory=list)
    evidence_counts: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    title: str = ""
    mention_sentences: list[list[int]] = field(default_factory=list)

    @classmethod
    def of(cls, golden: dict[str, Any], num_classes: int) -> "Document":
        """A document of a golden file; a `labels` entry is the classes of a pair, [0] where no relation holds."""
        labels = torch.zeros(len(golden["pairs"]), num_classes, dtype=torch.bool)
        for row, classes in enumerate(golden.get("labels", [])):
            labels[row, classes] = True
        return cls(
            input_ids=golden["input_ids"],
            mentions=golden["entity_pos"],
            pairs=golden["pairs"],
            labels=labels[:, 1:],
            sentences=golden.get("sent_pos", []),
            evidence_counts=torch.tensor(golden.get("evidence_counts", [])),
            title=golden.get("title", ""),
            mention_sentences=golden.get("mention_sentence", []),
        )

    @classmethod
    def batch(cls, golden: dict[str, list[Any]], num_classes: int) -> "list[Document]":
        """The documents of a golden batch, which has one list for each field."""
        return [
            cls.of(dict(zip(golden, values, strict=True)), num_classes) for values in zip(*golden.values(), strict=True)
        ]


class PaddedModel(nn.Module):
    """What all the models begin with: a BERT, read in windows, and the entities of each document."""

    def __init__(self, config: BertConfig, averaged_layers: int = 1) -> None:
        super().__init__()
        config._attn_implementation = "eager"
        self.model = BertModel(config, add_pooling_layer=False)
        self.averaged_layers = averaged_layers

    def windows(self, input_ids: list[int]) -> list[list[int]]:
        """The whole document; beyond the limit its first and its last tokens, each with [CLS] and [SEP]."""
        limit = self.model.config.max_position_embeddings
        if len(input_ids) <= limit:
            return [input_ids]
        return [[*input_ids[: limit - 1], input_ids[-1]], [input_ids[0], *input_ids[1 - limit :]]]

    def read(self, documents: list[Document]) -> list[tuple[Tensor, Tensor]]:
        """H [tokens, hidden] and A [heads, tokens, tokens] of each document."""
        windows = [torch.tensor(window) for document in documents for window in self.windows(document.input_ids)]
        out = self.model(
            nn.utils.rnn.pad_sequence(windows, batch_first=True),
            attention_mask=nn.utils.rnn.pad_sequence([torch.ones_like(w) for w in windows], batch_first=True),
            output_hidden_states=True,
            output_attentions=True,
        )
        hidden = iter(torch.stack(out.hidden_states[-self.averaged_layers :]).mean(0))
        attention = iter(torch.stack(out.attentions[-self.averaged_layers :]).mean(0))
        read = []
        for document in documents:
            length = len(document.input_ids)
            if len(self.windows(document.input_ids)) == 1:
                read.append((next(hidden)[:length], next(attention)[:, :length, :length]))
            else:
                two = (next(hidden), next(hidden)), (next(attention), next(attention))
                read.append(merge(*two, length, self.model.config.max_position_embeddings))
        return read

    @staticmethod
    def entities(hidden: Tensor, attention: Tensor, mentions: list[list[list[int]]]) -> tuple[Tensor, Tensor]:
        """e [entities, hidden], logsumexp over the mentions' markers; A_i [entities, heads, tokens], the mean of their
        attention. A mention whose marker the length limit cut off is left out; an entity without any is zero."""
        embeddings, rows = [], []
        for spans in mentions:
            markers = [start + 1 for start, _ in spans if start + 1 < len(hidden)]
            if markers:
                embeddings.append(torch.stack([hidden[m] for m in markers]).logsumexp(0))
                rows.append(torch.stack([attention[:, m] for m in markers]).mean(0))
            else:
                embeddings.append(hidden.new_zeros(hidden.shape[1]))
                rows.append(attention.new_zeros(attention.shape[0], attention.shape[2]))
        return torch.stack(embeddings), torch.stack(rows)


def merge(
    hidden: tuple[Tensor, Tensor], attention: tuple[Tensor, Tensor], length: int, limit: int
) -> tuple[Tensor, Tensor]:
    """One document from its two windows: a token that both read is the mean of both, and attention adds up to 1.

    The first window lends all but its [SEP], which is not the document's, the second all but its [CLS].
    """
    heads = attention[0].shape[0]
    tokens = hidden[0].new_zeros(length, hidden[0].shape[1])
    count = hidden[0].new_zeros(length, 1)
    maps = hidden[0].new_zeros(heads, length, length)
    for h, a, own, place in (
        (hidden[0], attention[0], slice(0, limit - 1), slice(0, limit - 1)),
        (hidden[1], attention[1], slice(1, limit), slice(length - limit + 1, length)),
    ):
        tokens[place] = tokens[place] + h[own]
        count[place] = count[place] + 1
        maps[:, place, place] = maps[:, place, place] + a[:, own, own]
    return tokens / (count + 1e-10), maps / (maps.sum(-1, keepdim=True) + 1e-10)


def grouped_product(z_head: Tensor, z_tail: Tensor, block_size: int) -> Tensor:
    """G: the outer products of the groups of block_size numbers, the head's index slow: [.., S] twice ->
    [.., S * block_size]."""
    head = z_head.unflatten(-1, (-1, block_size))
    tail = z_tail.unflatten(-1, (-1, block_size))
    return (head.unsqueeze(-1) * tail.unsqueeze(-2)).flatten(-3)


def highest_above_threshold(logits: Tensor, places: int | None = None) -> Tensor:
    """Bool [pairs, columns]: the relations above TH (column 0) that are among the `places` highest columns, TH among
    them; column 0 where there is none."""
    chosen = logits > logits[:, :1]
    if places is not None:
        chosen &= logits >= logits.topk(places, dim=1).values[:, -1:]
    chosen[:, 0] = ~chosen.any(1)
    return chosen
