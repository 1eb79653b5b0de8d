"""Attention over a batch without padding, keeping only the attention rows that are read.

transformers lets a model's attention function be replaced. Ours takes the tokens of all windows laid end to end, so
that everything position-wise in the encoder runs on real tokens only, and attends within each window. Of the layers
whose attention the model reads it keeps the rows of the mention markers, instead of [heads x length x length] maps.

One function for each place: window by window on a CPU, where small products stay in the cache; all windows at once,
padded inside attention only, on a GPU, where a loop would wait for kernel launches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from docre.models.dropout import LEVELS, draw, survivors
from docre.models.dropout import dropout as drop
from docre.tensors import stretches

PACKED = "docre_packed"


class Part(NamedTuple):
    """Some heads of one window.

    heads, tokens: which.
    read:          positions in the window whose attention is read.
    place:         where these stand among the rows of the batch.
    shape:         of the attention, [heads, length, length].
    """

    heads: slice
    tokens: slice
    read: Tensor
    place: slice
    shape: torch.Size


@dataclass
class AttentionPlan:
    """What the attention function has to know of a batch, and where it leaves the rows.

    window_lengths: tokens of each window.
    row_index:      [rows] position in its window of each token whose attention is read, window by window.
    row_counts:     rows of each window.
    first_layer:    the rows of this layer and all later ones are kept.
    rows:           by layer, [rows, heads, longest window], zero beyond a row's window.
    """

    window_lengths: tuple[int, ...]
    row_index: Tensor
    row_counts: tuple[int, ...]
    first_layer: int
    rows: list[Tensor] = field(default_factory=list)

    def mean_rows(self) -> Tensor:
        """The kept rows, mean over the layers: [rows, heads, longest window]."""
        return self.rows[0] if len(self.rows) == 1 else torch.stack(self.rows).mean(0)

    def parts(self, heads: int, bytes_each: int) -> list[Part]:
        """The windows, and of each as many heads at a time as fit into SCRATCH."""
        found = []
        for tokens, index, place in self.windows():
            length = tokens.stop - tokens.start
            step = max(1, SCRATCH // (bytes_each * length * length))
            for some in stretches(heads, step):
                shape = torch.Size((some.stop - some.start, length, length))
                found.append(Part(some, tokens, index, place, shape))
        return found

    def windows(self) -> list[tuple[slice, Tensor, slice]]:
        """Of each window: its tokens, the positions in it whose attention is read, and their place among the rows."""
        tokens, rows = slices(self.window_lengths), slices(self.row_counts)
        return list(zip(tokens, self.row_index.split(self.row_counts), rows, strict=True))

    @cached_property
    def padded(self) -> tuple[Tensor, Tensor, Tensor]:
        """For attention over all windows at once: where each token stands when every window is as long as the longest
        [tokens], where a window has a token [windows, longest], and where each row stands [rows]."""
        device, longest = self.row_index.device, max(self.window_lengths)
        lengths, counts = (torch.tensor(x, device=device) for x in (self.window_lengths, self.row_counts))
        windows = torch.arange(len(lengths), device=device)
        real = torch.arange(longest, device=device) < lengths[:, None]
        tokens = sum(self.window_lengths)
        of_token = windows.repeat_interleave(lengths, output_size=tokens)
        of_row = windows.repeat_interleave(counts, output_size=len(self.row_index))
        place = torch.arange(tokens, device=device) + (windows * longest - lengths.cumsum(0) + lengths)[of_token]
        return place, real, of_row * longest + self.row_index


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    plan: AttentionPlan | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """softmax(q k^T * scaling) v within each window: query, key, value [1, heads, tokens, size] -> [1, tokens, heads,
    size]. Dropout falls on the probabilities, and the rows that are kept are those after it, as published."""
    assert plan is not None, "packed attention is reached through docre.models.encoder only"
    keep = int(module.layer_idx) >= plan.first_layer  # type: ignore[arg-type]
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    q, k, v = (x.squeeze(0) for x in (query, key, value))  # by [0] the gradient would be made of zeros and copied
    if query.is_cuda:
        output, rows = attend_padded(q, k, v, scale, dropout, plan, keep)
    elif dropout:
        output, rows = _WindowAttention.apply(q, k, v, scale, dropout, plan, keep)
    else:
        output, rows = attend_windows(q, k, v, scale, plan, keep)
    if rows is not None:
        plan.rows.append(rows)
    return output[None], None


Attended = tuple[Tensor, Tensor | None]  # [tokens, heads, size] and, in a layer whose rows are kept, those


def attend_windows(q: Tensor, k: Tensor, v: Tensor, scale: float, plan: AttentionPlan, keep: bool) -> Attended:
    """Attention [heads, tokens, size] without dropout: fused for all tokens, and once more, as probabilities, for the
    rows that are read. Saves the [length x length] maps of every layer."""
    outputs, rows = [], []
    for tokens, index, _ in plan.windows():
        qw, kw, vw = q[:, tokens], k[:, tokens], v[:, tokens]
        outputs.append(scaled_dot_product_attention(qw[None], kw[None], vw[None], scale=scale)[0])
        if keep:
            scores = torch.bmm(qw.index_select(1, index) * scale, kw.transpose(1, 2))
            read = softmax(scores).transpose(0, 1)
            rows.append(nn.functional.pad(read, (0, max(plan.window_lengths) - read.shape[2])))
    return torch.cat(outputs, dim=1).transpose(0, 1), torch.cat(rows) if keep else None


SCRATCH = 2 * 2**20  # bytes of a [heads, length, length] buffer: on a CPU it should stay in the cache


class _WindowAttention(torch.autograd.Function):
    """Attention [heads, tokens, size] with dropout on the probabilities, window by window and a few heads at a time.

    Autograd would keep the probabilities P before dropout, the mask and the probabilities after it, nine bytes for each
    of heads * length^2. This keeps four: P / 2 where a probability survives and -P / 2 where it is dropped. And its
    backward pass goes over them five times where autograd's does eleven: dropout's scale u is put on the values and the
    gradients instead, and softmax's gradient P * (G - sum P G), with the gradient G of the probabilities, takes its sum
    from the output, as sum P G = sum O dO.
    """

    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, scale: float, p: float, plan: AttentionPlan, keep: bool
    ) -> Attended:
        dropped = round(p * LEVELS)
        up = LEVELS / max(1, LEVELS - dropped)
        parts = plan.parts(len(q), q.element_size())
        ctx.settings = scale, up, parts, keep  # no plan: it will hold our output, a ring never freed
        halves = []
        output = q.new_empty(q.shape[1], q.shape[0], v.shape[2])
        rows = q.new_zeros(len(plan.row_index), q.shape[0], max(plan.window_lengths)) if keep else None
        first, second = buffers(parts, q, 2)
        for heads, tokens, index, place, shape in parts:
            probability = cut(first, shape)
            torch.bmm(q[heads, tokens] * scale, k[heads, tokens].transpose(1, 2), out=probability)
            torch.softmax(probability, -1, out=probability)
            kept = survivors(draw(shape), dropped, cut(second, shape)).mul_(probability)
            halves.append(torch.sub(kept, probability, alpha=0.5))
            output[tokens, heads] = torch.bmm(kept, v[heads, tokens]).transpose(0, 1)
            if rows is not None:
                rows[place, heads, : shape[2]] = kept.index_select(1, index).transpose(0, 1)
        output.mul_(up)
        if rows is not None:
            rows.mul_(up)
        ctx.save_for_backward(q, k, v, output, rows, *halves)
        return output, rows

    @staticmethod
    @custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(ctx: Any, d_output: Tensor, d_rows: Tensor | None) -> tuple[Tensor | None, ...]:
        q, k, v, output, rows, *halves = ctx.saved_tensors
        scale, up, parts, keep = ctx.settings
        dq, dk, dv = (torch.empty_like(x) for x in (q, k, v))
        sums = (output * d_output).sum(2).transpose(0, 1) * 2  # [heads, tokens], for P / 2
        d_output = d_output.transpose(0, 1) * (2 * up)
        first, second = buffers(parts, q, 2)
        for (heads, tokens, index, place, shape), half in zip(parts, halves, strict=True):
            here = heads, tokens
            kept = torch.clamp(half, min=0, out=cut(first, shape))
            dv[here] = torch.bmm(kept.transpose(1, 2), d_output[here])
            gradient = torch.bmm(d_output[here], v[here].transpose(1, 2), out=cut(second, shape))
            inner = sums[here]
            if keep and d_rows is not None:
                d_here = d_rows[place, heads, : shape[2]]
                gradient.index_add_(1, index, d_here.transpose(0, 1), alpha=2 * up)
                inner.index_add_(1, index, (rows[place, heads, : shape[2]] * d_here).sum(2).T, alpha=2)
            kept.mul_(gradient)
            d_scores = torch.abs(half, out=gradient).mul_(inner[:, :, None]).sub_(kept)  # -(P * (G - sum P G))
            dq[here] = torch.bmm(d_scores, k[here]).mul_(-scale)
            dk[here] = torch.bmm(d_scores.transpose(1, 2), q[here]).mul_(-scale)
        return dq, dk, dv, None, None, None, None


def buffers(parts: Sequence[Part], like: Tensor, count: int) -> list[Tensor]:
    """Memory for the largest of the parts, used again for each."""
    size = max((part.shape.numel() for part in parts), default=0)
    return [like.new_empty(size) for _ in range(count)]


def cut(buffer: Tensor, shape: torch.Size) -> Tensor:
    """The beginning of a buffer in a shape."""
    return buffer[: shape.numel()].view(shape)


def attend_padded(q: Tensor, k: Tensor, v: Tensor, scale: float, p: float, plan: AttentionPlan, keep: bool) -> Attended:
    """Attention [heads, tokens, size] over all windows at once: a few kernels, however many windows there are."""
    place, real, row_place = plan.padded
    heads, size = q.shape[0], q.shape[2]

    def spread(x: Tensor) -> Tensor:
        """[heads, tokens, size] -> [windows, heads, longest, size]."""
        flat = x.new_zeros(real.numel(), heads, size).index_copy(0, place, x.transpose(0, 1))
        return flat.unflatten(0, real.shape).transpose(1, 2)

    qw, kw, vw = spread(q), spread(k), spread(v)
    mask = real[:, None, None]
    if not keep:
        output = scaled_dot_product_attention(qw, kw, vw, attn_mask=mask, dropout_p=p, scale=scale)
        return output.transpose(1, 2).flatten(0, 1)[place], None
    scores = torch.matmul(qw * scale, kw.transpose(2, 3)).masked_fill(~mask, -torch.inf)
    probability = drop(softmax(scores), p)
    output = torch.matmul(probability.to(v.dtype), vw)
    rows = probability.transpose(1, 2).flatten(0, 1)[row_place]
    return output.transpose(1, 2).flatten(0, 1)[place], rows


def softmax(scores: Tensor) -> Tensor:
    """Over the last dimension, in float32 or better."""
    return scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))


def slices(lengths: Sequence[int]) -> list[slice]:
    """Where parts of these lengths lie when they lie end to end."""
    done, found = 0, []
    for length in lengths:
        found.append(slice(done, done + length))
        done += length
    return found


AttentionInterface.register(PACKED, packed_attention)
