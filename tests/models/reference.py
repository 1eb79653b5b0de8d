"""ATLOP the slow and obviously right way: what the fast path must equal, and what the benchmark times it against.

Written from the equations of Zhou et al. (2021) in the shape that published code has: full attention maps of all
layers, loops over documents, entities and mentions, one [pairs, heads, length] product, one [pairs, head_size *
block_size] outer product, documents padded to the longest. It takes a Batch
(the shared input format) and nothing else of docre.
"""

import torch
from torch import Tensor, nn

from docre.tensors import Batch


class ReferenceATLOP(nn.Module):
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
        """The reference with the weights of a docre ATLOP model; `backbone` is a fresh one of the same architecture."""
        backbone.pooler = None
        backbone.load_state_dict(model.encoder.backbone.state_dict())
        backbone.set_attn_implementation("eager")
        outputs, width = model.bilinear.weight.shape
        head_size = model.head_extractor.out_features
        reference = cls(backbone, outputs, head_size, width // head_size, model.encoder.averaged_layers)
        for name in ("head_extractor", "tail_extractor", "bilinear"):
            getattr(reference, name).load_state_dict(getattr(model, name).state_dict())
        return reference

    def encode(self, batch: Batch) -> tuple[list[Tensor], list[Tensor]]:
        """For each document its tokens [length, hidden] and attention [heads, length, length]."""
        windows = batch.input_ids.split(batch.window_lengths)
        ids = nn.utils.rnn.pad_sequence(windows, batch_first=True)
        mask = nn.utils.rnn.pad_sequence([torch.ones_like(w) for w in windows], batch_first=True)
        out = self.backbone(ids, attention_mask=mask, output_attentions=True, output_hidden_states=True)
        k = self.averaged_layers
        hidden = torch.stack(out.hidden_states[-k:]).mean(0)
        attention = torch.stack(out.attentions[-k:]).mean(0)
        tokens, maps, window = [], [], 0
        merged = {}  # window token -> document token
        for s, t in zip(batch.merge_source.tolist(), batch.merge_target.tolist(), strict=True):
            merged[s] = t
        done_window = done_document = 0
        for length in batch.document_lengths:
            h = hidden.new_zeros(length, hidden.shape[-1])
            a = attention.new_zeros(attention.shape[1], length, length)
            count = hidden.new_zeros(length)
            several = 0
            while window < len(windows) and merged[done_window + 1] < done_document + length:
                size = len(windows[window])
                local = [j for j in range(size) if done_window + j in merged]
                first, last = local[0], local[-1] + 1
                start = merged[done_window + first] - done_document
                end = start + last - first
                h = h + nn.functional.pad(hidden[window, first:last], (0, 0, start, length - end))
                part = attention[window, :, first:last, first:last]
                a = a + nn.functional.pad(part, (start, length - end, start, length - end))
                count = count + nn.functional.pad(torch.ones(last - first), (start, length - end)).to(count)
                done_window += size
                window += 1
                several += 1
            if several > 1:
                h = h / (count[:, None] + 1e-10)
                a = a / (a.sum(-1, keepdim=True) + 1e-10)
            tokens.append(h)
            maps.append(a)
            done_document += length
        return tokens, maps

    def forward(self, batch: Batch) -> Tensor:
        tokens, maps = self.encode(batch)
        logits = []
        token_offset = entity_offset = pair_offset = 0
        for d, (hidden, attention) in enumerate(zip(tokens, maps, strict=True)):
            embeddings, attentions = [], []
            for e in range(batch.entity_counts[d]):
                of_entity = (batch.mention_entity == entity_offset + e).nonzero()[:, 0]
                starts = (batch.mention_token[of_entity] - token_offset).tolist()
                if starts:
                    embeddings.append(torch.logsumexp(torch.stack([hidden[s] for s in starts]), dim=0))
                    attentions.append(torch.stack([attention[:, s] for s in starts]).mean(0))
                else:
                    embeddings.append(hidden.new_zeros(hidden.shape[1]))
                    attentions.append(attention.new_zeros(attention.shape[0], len(hidden)))
            pairs = slice(pair_offset, pair_offset + batch.pair_counts[d])
            if batch.pair_counts[d]:
                e = torch.stack(embeddings)
                a = torch.stack(attentions)
                h, t = batch.pair_head[pairs] - entity_offset, batch.pair_tail[pairs] - entity_offset
                weights = (a[h] * a[t]).mean(1)
                weights = weights / (weights.sum(1, keepdim=True) + 1e-5)
                context = torch.einsum("ld,rl->rd", hidden, weights)
                head = torch.tanh(self.head_extractor(torch.cat([e[h], context], dim=1)))
                tail = torch.tanh(self.tail_extractor(torch.cat([e[t], context], dim=1)))
                b1 = head.view(len(head), -1, self.block_size)
                b2 = tail.view(len(tail), -1, self.block_size)
                outer = (b1.unsqueeze(3) * b2.unsqueeze(2)).view(len(head), -1)
                logits.append(self.bilinear(outer))
            token_offset += batch.document_lengths[d]
            entity_offset += batch.entity_counts[d]
            pair_offset += batch.pair_counts[d]
        return torch.cat(logits) if logits else torch.zeros(0, self.bilinear.out_features)
