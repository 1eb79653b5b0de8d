"""KD-DocRE (Tan et al. 2022, "Document-Level Relation Extraction with Adaptive Focal Loss and Knowledge Distillation",
Findings of ACL) the slow and obviously right way: one document after another, its whole map laid out.

Written from the paper's formulas and what is known of the published code's behavior, with that code's weight names.
What it does by default is what was published; each repair is a switch:

padded     True (published): a map of a fixed side, whose cells beyond the entities are keys and values of the attention
           like any other, and whose features are set to zero in training but not in evaluation. False: a map of exactly
           the document's entities, the same in both modes.
any_size   False (published): a document of more entities than the map's side is a RuntimeError. True: it gets a map of
           its own size.
pair_mean  is the loss over entity pairs only; as published the cells of the diagonal count too.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from transformers import BertConfig

from tests.models.published.padded import Document, PaddedModel, grouped_product


@dataclass
class Steps:
    """What a forward pass computes for one document; N is the side of its map, n the number of its entities."""

    head_input: Tensor  # [e_i; c_ij] [N, N, 2 hidden]
    tail_input: Tensor  # [e_j; c_ij] [N, N, 2 hidden]
    feature: Tensor  # F [N, N, hidden]
    attentions: list[Tensor] = field(default_factory=list)  # of each layer Col + Row [N, N, hidden]
    outputs: list[Tensor] = field(default_factory=list)  # of each layer, after its norm [N, N, hidden]
    axial: Tensor | None = None  # the last layer's output [N, N, hidden]
    classifier_input: Tensor | None = None  # axial + feature [N, N, hidden]
    logits: Tensor | None = None  # [n * n, classes], row by row


class SelfAttention(nn.Module):
    """Self-attention among the cells of each line, without a mask and without positions."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(size, size, bias=False)
        self.to_kv = nn.Linear(size, 2 * size, bias=False)
        self.to_out = nn.Linear(size, size)

    def forward(self, lines: Tensor) -> Tensor:
        """[lines, cells, size] -> the same."""
        q, k, v = (
            x.unflatten(2, (self.heads, -1)).transpose(1, 2)  # [lines, heads, cells, size of a head]
            for x in (self.to_q(lines), *self.to_kv(lines).chunk(2, dim=2))
        )
        weights = torch.softmax(q @ k.transpose(2, 3) / q.shape[3] ** 0.5, dim=3)
        return self.to_out((weights @ v).transpose(1, 2).flatten(2))


class AxialTransformer(nn.Module):
    """X <- LN(W (X + Col(X) + Row(X)) + b), layer by layer; modules are nested as published checkpoints name them."""

    def __init__(self, size: int, layers: int, heads: int) -> None:
        super().__init__()

        def attention() -> nn.Module:
            return nn.ModuleDict({"fn": SelfAttention(size, heads)})

        self.axial_attns = nn.ModuleList(
            nn.ModuleDict({"axial_attentions": nn.ModuleList([attention(), attention()])}) for _ in range(layers)
        )
        self.ffns = nn.ModuleList(nn.Linear(size, size) for _ in range(layers))
        self.lns = nn.ModuleList(nn.LayerNorm(size, eps=1e-5) for _ in range(layers))

    def forward(self, feature: Tensor, steps: Steps) -> Tensor:
        """The map [heads, tails, size] -> the same; each layer is noted in `steps`."""
        x = feature
        for attention, linear, norm in zip(self.axial_attns, self.ffns, self.lns, strict=True):
            of_one_tail, of_one_head = (a["fn"] for a in attention["axial_attentions"])
            column = of_one_tail(x.transpose(0, 1)).transpose(0, 1)
            row = of_one_head(x)
            steps.attentions.append(column + row)
            x = norm(linear(x + steps.attentions[-1]))
            steps.outputs.append(x)
        return x


class KDDocRE(PaddedModel):
    """side: that of the map. The logits are those of all n * n cells of a document, row by row."""

    def __init__(
        self,
        config: BertConfig,
        classes: int,
        *,
        emb_size: int = 1024,
        block_size: int = 64,
        axial_layers: int = 6,
        axial_heads: int = 8,
        side: int = 42,
        padded: bool = True,
        any_size: bool = False,
    ) -> None:
        super().__init__(config)
        hidden = config.hidden_size
        self.block_size, self.side, self.padded, self.any_size = block_size, side, padded, any_size
        self.head_extractor = nn.Linear(2 * hidden, emb_size)
        self.tail_extractor = nn.Linear(2 * hidden, emb_size)
        self.projection = nn.Linear(emb_size * block_size, hidden, bias=False)
        self.axial_transformer = AxialTransformer(hidden, axial_layers, axial_heads)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, batch: list[Document], dropped: list[list[int]] | None = None) -> list[Steps]:
        """`dropped`: in training, the numbers of the cells of each document whose features are set to zero."""
        drops = dropped or [[] for _ in batch]
        read = self.read(batch)
        return [self.one(document, *tokens, drop) for document, tokens, drop in zip(batch, read, drops, strict=True)]

    def one(self, document: Document, hidden: Tensor, attention: Tensor, dropped: list[int]) -> Steps:
        embeddings, attentions = self.entities(hidden, attention, document.mentions)
        n = len(embeddings)
        c = entity_map(hidden, attentions)
        side = self.side_for(n)
        head_input = c.new_zeros(side, side, 2 * hidden.shape[1])
        tail_input = head_input.clone()  # a cell of padding reads no entity, not even the one in its row or column
        head_input[:n, :n] = torch.cat([embeddings[:, None].expand_as(c), c], dim=2)
        tail_input[:n, :n] = torch.cat([embeddings[None, :].expand_as(c), c], dim=2)
        z_head = torch.tanh(self.head_extractor(head_input))
        z_tail = torch.tanh(self.tail_extractor(tail_input))
        product = grouped_product(z_head, z_tail, self.block_size)
        if self.training:
            kept = torch.zeros(side, side, 1, dtype=product.dtype)
            kept[:n, :n] = 1
            for cell in dropped:
                kept[cell // n, cell % n] = 0
            product = product * kept
        steps = Steps(head_input, tail_input, feature=self.projection(product))

        steps.axial = self.axial_transformer(steps.feature, steps)
        steps.classifier_input = steps.axial + steps.feature
        logits = self.classifier(steps.classifier_input)
        diagonal = torch.eye(side, dtype=logits.dtype)[:, :, None]
        steps.logits = (logits * (1 - diagonal))[:n, :n].flatten(0, 1)
        return steps

    def side_for(self, entities: int) -> int:
        if not self.padded:
            return entities
        return max(self.side, entities) if self.any_size else self.side


def entity_map(hidden: Tensor, attentions: Tensor) -> Tensor:
    """c [entities, entities, hidden]: the tokens that both entities attend to; A is [entities, heads, tokens]."""
    n = len(attentions)
    both = (attentions.repeat_interleave(n, 0) * attentions.repeat(n, 1, 1)).sum(1)  # [entities * entities, tokens]
    return (both @ hidden / (both.sum(1, keepdim=True) + 1e-10)).unflatten(0, (n, n))


def distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """The mean squared difference of raw logits, [cells, classes] each, over all cells and classes."""
    return ((student - teacher) ** 2).mean()


def pair_mean(cell_losses: Tensor, batch: list[Document]) -> Tensor:
    """The mean of the losses of entity pairs, without the cells of the diagonal (repaired)."""
    pairs = [pair for document in batch for pair in document.pairs]
    return cell_losses[[h != t for h, t in pairs]].mean()
