"""A slow, obviously correct ATLOP: the fast path has to equal it, and the benchmark compares its speed with this one's.

Written from the equations of Zhou et al. (2021) in the structure of the published code, with its costs: windows padded
to the longest, full attention maps of all layers, loops over documents, entities and mentions, one [pairs, heads,
length] product per document, one [pairs, head_size * block_size] outer product, labels as lists, decisions in every
step. It uses Batch, the shared input format, and nothing else of docre.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, pad

from docre.tensors import Batch


@dataclass
class Lists:
    """A batch in the form of the published code: padded ids, everything else as nested lists.

    windows:  for each document its windows as (index, first, last, start): the tokens first to last - 1 of window
              `index` are the document's tokens from `start` on.
    mentions: for each document and each of its entities, the token positions of the mention markers.
    pairs:    for each document its (head, tail) pairs.
    labels:   for each pair a 0 or 1 for TH and for each relation; that of TH is 1 if no relation holds.
    """

    ids: Tensor
    mask: Tensor
    lengths: tuple[int, ...]
    windows: list[list[tuple[int, int, int, int]]]
    mentions: list[list[list[int]]]
    pairs: list[list[tuple[int, int]]]
    labels: list[list[int]]

    @classmethod
    def of(cls, batch: Batch) -> "Lists":
        window_ids = batch.input_ids.split(batch.window_lengths)
        merged = dict(zip(batch.merge_source.tolist(), batch.merge_target.tolist(), strict=True))
        windows: list[list[tuple[int, int, int, int]]] = [[] for _ in batch.document_lengths]
        begin = [sum(batch.document_lengths[:d]) for d in range(len(batch.document_lengths) + 1)]
        done = 0
        for index, size in enumerate(batch.window_lengths):
            local = [j for j in range(size) if done + j in merged]
            target = merged[done + local[0]]
            d = max(d for d in range(len(windows)) if begin[d] <= target)
            windows[d].append((index, local[0], local[-1] + 1, target - begin[d]))
            done += size
        mentions: list[list[list[int]]] = []
        pairs: list[list[tuple[int, int]]] = []
        entity = pair = 0
        of_entity: list[list[int]] = [[] for _ in range(sum(batch.entity_counts))]
        for token, e in zip(batch.mention_token.tolist(), batch.mention_entity.tolist(), strict=True):
            of_entity[e].append(token)
        ends = list(zip(batch.pair_head.tolist(), batch.pair_tail.tolist(), strict=True))
        for d, (entities, count) in enumerate(zip(batch.entity_counts, batch.pair_counts, strict=True)):
            mentions.append([[token - begin[d] for token in e] for e in of_entity[entity : entity + entities]])
            pairs.append([(h - entity, t - entity) for h, t in ends[pair : pair + count]])
            entity += entities
            pair += count
        relations = [] if batch.labels is None else batch.labels.long().tolist()
        return cls(
            ids=nn.utils.rnn.pad_sequence(window_ids, batch_first=True),
            mask=nn.utils.rnn.pad_sequence([torch.ones_like(s) for s in window_ids], batch_first=True),
            lengths=batch.document_lengths,
            windows=windows,
            mentions=mentions,
            pairs=pairs,
            labels=[[int(not any(row)), *row] for row in relations],
        )


class ReferenceATLOP(nn.Module):
    """ATLOP around a Hugging Face encoder `backbone`, with parameters named as in published checkpoints."""

    def __init__(self, backbone: nn.Module, outputs: int, head_size: int, block_size: int, averaged_layers: int = 1):
        super().__init__()
        self.backbone = backbone
        self.averaged_layers = averaged_layers
        self.block_size = block_size
        self.head_extractor = nn.Linear(2 * backbone.config.hidden_size, head_size)
        self.tail_extractor = nn.Linear(2 * backbone.config.hidden_size, head_size)
        self.bilinear = nn.Linear(head_size * block_size, outputs)

    @classmethod
    def copy_of(cls, model: nn.Module, backbone: nn.Module) -> "ReferenceATLOP":
        """The reference with the weights of a docre ATLOP model; `backbone` is a new one of the same architecture."""
        backbone.pooler = None
        backbone.load_state_dict(model.encoder.backbone.state_dict())
        backbone.set_attn_implementation("eager")
        outputs, width = model.bilinear.weight.shape
        head_size = model.head_extractor.out_features
        reference = cls(backbone, outputs, head_size, width // head_size, model.encoder.averaged_layers)
        for name in ("head_extractor", "tail_extractor", "bilinear"):
            getattr(reference, name).load_state_dict(getattr(model, name).state_dict())
        return reference

    def encode(self, lists: Lists) -> tuple[Tensor, Tensor]:
        """Tokens [documents, longest, hidden] and attention [documents, heads, longest, longest]."""
        k = self.averaged_layers
        out = self.backbone(
            lists.ids, attention_mask=lists.mask, output_attentions=True, output_hidden_states=k > 1, return_dict=True
        )
        if k == 1:
            hidden, attention = out.last_hidden_state, out.attentions[-1]
        else:
            hidden = torch.stack(out.hidden_states[-k:]).mean(0)
            attention = torch.stack(out.attentions[-k:]).mean(0)
        if all(len(windows) == 1 for windows in lists.windows):
            return hidden, attention
        width = max(lists.lengths)
        tokens, maps = [], []
        for windows in lists.windows:
            h, a, count = 0, 0, 0
            for index, first, last, start in windows:
                left, right = start, width - start - (last - first)
                h = h + pad(hidden[index, first:last], (0, 0, left, right))
                a = a + pad(attention[index, :, first:last, first:last], (left, right, left, right))
                count = count + pad(torch.ones(last - first, device=hidden.device), (left, right))
            if len(windows) > 1:
                h = h / (count[:, None] + 1e-10)
                a = a / (a.sum(-1, keepdim=True) + 1e-10)
            tokens.append(h)
            maps.append(a)
        return torch.stack(tokens), torch.stack(maps)

    def forward(self, batch: Batch) -> Tensor:
        return self.run(Lists.of(batch))

    def run(self, lists: Lists) -> Tensor:
        """The logits [pairs, outputs]."""
        return self.classify(*self.pool(*self.encode(lists), lists))

    def pool(self, tokens: Tensor, maps: Tensor, lists: Lists) -> tuple[Tensor, Tensor, Tensor]:
        """Head embedding, tail embedding and context of each pair, each [pairs, hidden]."""
        heads, tails, contexts = [], [], []
        for i, (mentions, pairs) in enumerate(zip(lists.mentions, lists.pairs, strict=True)):
            embeddings, attentions = [], []
            for starts in mentions:
                # indexed in the tensors of the whole batch, as published: each gradient has their full size
                if len(starts) > 1:
                    embeddings.append(torch.logsumexp(torch.stack([tokens[i, s] for s in starts]), dim=0))
                    attentions.append(torch.stack([maps[i, :, s] for s in starts]).mean(0))
                elif starts:
                    embeddings.append(tokens[i, starts[0]])
                    attentions.append(maps[i, :, starts[0]])
                else:
                    embeddings.append(tokens.new_zeros(tokens.shape[2]))
                    attentions.append(maps.new_zeros(maps.shape[1], maps.shape[3]))
            if pairs:
                e = torch.stack(embeddings)
                a = torch.stack(attentions)
                index = torch.tensor(pairs, device=tokens.device)
                weights = (a.index_select(0, index[:, 0]) * a.index_select(0, index[:, 1])).mean(1)
                weights = weights / (weights.sum(1, keepdim=True) + 1e-5)
                contexts.append(torch.einsum("ld,rl->rd", tokens[i], weights))
                heads.append(e.index_select(0, index[:, 0]))
                tails.append(e.index_select(0, index[:, 1]))
        if not heads:
            empty = tokens.new_zeros(0, tokens.shape[2])
            return empty, empty, empty
        return torch.cat(heads), torch.cat(tails), torch.cat(contexts)

    def classify(self, heads: Tensor, tails: Tensor, context: Tensor) -> Tensor:
        """The logits [pairs, outputs] from head, tail and context of each pair."""
        head = torch.tanh(self.head_extractor(torch.cat([heads, context], dim=1)))
        tail = torch.tanh(self.tail_extractor(torch.cat([tails, context], dim=1)))
        b1 = head.unflatten(1, (-1, self.block_size))
        b2 = tail.unflatten(1, (-1, self.block_size))
        return self.bilinear((b1.unsqueeze(3) * b2.unsqueeze(2)).view(len(head), self.bilinear.in_features))


def reference_loss(logits: Tensor, lists: Lists) -> Tensor:
    """ATL (Zhou et al. 2021, section 3.2) with the labels in `lists`, by masked softmax as published."""
    labels = torch.tensor(lists.labels).to(logits)
    threshold = torch.zeros_like(labels)
    threshold[:, 0] = 1
    labels[:, 0] = 0
    above = log_softmax(logits - (1 - labels - threshold) * 1e30, dim=-1)
    below = log_softmax(logits - labels * 1e30, dim=-1)
    return -((above * labels).sum(1) + (below * threshold).sum(1)).mean()


def reference_decisions(logits: Tensor, top_k: int) -> Tensor:
    """[pairs, outputs], 1 at the relations above TH and among the top k logits, or at column 0 if there are none."""
    chosen = logits > logits[:, :1]
    if top_k > 0:
        chosen &= logits >= logits.topk(top_k, dim=1).values[:, -1:]
    output = chosen.to(logits)
    output[:, 0] = output.sum(1) == 0
    return output
