"""TTM-RE (Gao et al. 2024, ACL): each pair's head and tail read a learned memory and pass a small transformer.

What is published is the default: both entities go through the head extractor, and the transformer takes the pairs of a
chunk for a sequence, so that attention runs across pairs. `two_extractors` and `within_pair` repair these.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from transformers import BertConfig

from tests.models.published.padded import Document, PaddedModel, grouped_product

CHUNK = 256


@dataclass
class Output:
    """Of each pair: logits [1 + relations], context [hidden], and of size S the head and tail before the memory module
    (z_h, z_t), the summary Y [2, S] before the transformer, and the head and tail after it (Y_0, Y_1)."""

    logits: Tensor
    context: Tensor
    head_before: Tensor
    tail_before: Tensor
    summary: Tensor
    head_after: Tensor
    tail_after: Tensor


class MLP(nn.Module):
    def __init__(self, size: int, inner: int, out: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(size, inner)
        self.linear_2 = nn.Linear(inner, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(gelu(self.linear_1(x)))


class Summary(nn.Module):
    """The tokens [tokens, S] as k = 2 weighted sums of themselves, [2, S]."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.layernorm = nn.LayerNorm(size)
        self.mlp1 = MLP(size, size, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        weights = self.mlp1(self.layernorm(tokens)).softmax(0)
        return weights.T @ tokens


class Write(nn.Module):
    """The memory [memory, S] after a pair with the result Y [2, S] wrote to it; what is published throws it away."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.layernorm1, self.layernorm2, self.layernorm3 = (nn.LayerNorm(size) for _ in range(3))
        self.mlp1 = MLP(size, size, 2)
        self.mlp2 = MLP(2, size, 2)
        self.mlp3 = MLP(size, size, size)
        self.mlp4 = MLP(2, size, 2)
        self.mlp5 = MLP(size, size, size)

    def forward(self, memory: Tensor, result: Tensor) -> Tensor:
        places = self.mlp1(self.layernorm1(memory)).softmax(0).T
        erase = self.mlp3(self.mlp2(self.layernorm2(result).T).T)
        add = self.mlp5(self.mlp4(self.layernorm3(result).T).T)
        kept = torch.stack([1 - torch.outer(s, e) for s, e in zip(places, erase, strict=True)]).prod(0)
        added = torch.stack([1 - torch.outer(s, a) for s, a in zip(places, add, strict=True)]).mean(0)
        return memory * kept + added


class Unit(nn.Module):
    def __init__(self, size: int, layers: int, heads: int, inner: int) -> None:
        super().__init__()
        self.token_learner_model = Summary(size)
        layer = nn.TransformerEncoderLayer(size, heads, inner, dropout=0.0)  # post-norm, ReLU, sequence first
        self.vit_encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.token_add_erase_write = Write(size)


class Memory(nn.Module):
    def __init__(self, rows: int, size: int, layers: int, heads: int, inner: int) -> None:
        super().__init__()
        self.memory_tokens = nn.Parameter(torch.empty(rows, size))
        nn.init.xavier_uniform_(self.memory_tokens)
        self.token_turing_machine_unit = Unit(size, layers, heads, inner)


class TTMRE(PaddedModel):
    def __init__(
        self,
        config: BertConfig,
        num_classes: int,
        head_size: int,
        block_size: int,
        memory: tuple[int, int, int, int],
        two_extractors: bool = False,
        within_pair: bool = False,
    ) -> None:
        """memory: its rows, and the layers, heads and inner size of the transformer."""
        super().__init__(config)
        rows, layers, heads, inner = memory
        self.block_size = block_size
        self.two_extractors = two_extractors
        self.within_pair = within_pair
        self.head_extractor = nn.Linear(2 * config.hidden_size, head_size)
        self.tail_extractor = nn.Linear(2 * config.hidden_size, head_size)
        self.bilinear = nn.Linear(head_size * block_size, num_classes)
        self.mu_encoder = Memory(rows, head_size, layers, heads, inner)

    def forward(self, documents: list[Document]) -> Output:
        heads, tails, contexts = [], [], []
        for document, (hidden, attention) in zip(documents, self.read(documents), strict=True):
            e, a = self.entities(hidden, attention, document.mentions)
            for head, tail in document.pairs:
                q = (a[head] * a[tail]).mean(0)
                contexts.append(hidden.T @ q / (q.sum() + 1e-5))
                heads.append(e[head])
                tails.append(e[tail])
        context = torch.stack(contexts)
        tail_extractor = self.tail_extractor if self.two_extractors else self.head_extractor
        z_head = torch.tanh(self.head_extractor(torch.cat([torch.stack(heads), context], dim=1)))
        z_tail = torch.tanh(tail_extractor(torch.cat([torch.stack(tails), context], dim=1)))
        summary = torch.stack([self.summarize(*pair) for pair in zip(z_head, z_tail, strict=True)])
        after = torch.cat([self.transform(chunk) for chunk in summary.split(CHUNK)])
        y_head, y_tail = (z_head + after[:, 0]) / 2, (z_tail + after[:, 1]) / 2
        logits = self.bilinear(grouped_product(y_head, y_tail, self.block_size))
        return Output(logits, context, z_head, z_tail, summary, after[:, 0], after[:, 1])

    def summarize(self, z_head: Tensor, z_tail: Tensor) -> Tensor:
        """Y [2, S] of one pair, from the memory and its own two tokens."""
        tokens = torch.cat([self.mu_encoder.memory_tokens, z_head[None], z_tail[None]])
        return self.mu_encoder.token_turing_machine_unit.token_learner_model(tokens)

    def transform(self, summary: Tensor) -> Tensor:
        """[pairs of a chunk, 2, S] -> the same after the transformer, whose sequence is the first dimension: as
        published the pairs, slot by slot; within a pair its two slots."""
        transformer = self.mu_encoder.token_turing_machine_unit.vit_encoder
        if self.within_pair:
            return transformer(summary.transpose(0, 1)).transpose(0, 1)
        return transformer(summary)

    def write(self, output: Output, pair: int) -> Tensor:
        """The memory after one pair wrote to it: has no effect on anything, as published."""
        result = torch.stack([output.head_after[pair], output.tail_after[pair]])
        unit = self.mu_encoder.token_turing_machine_unit
        return unit.token_add_erase_write(self.mu_encoder.memory_tokens, result)
