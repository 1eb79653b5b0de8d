"""Attention over a batch without padding, keeping only the attention rows that are read.

transformers lets a model's attention function be replaced. Ours takes the tokens of all windows laid end to end, so
that everything position-wise in the encoder runs on real tokens only, and attends within each window. Of the layers
whose attention the model reads it keeps the rows of the mention markers, instead of [heads x length x length] maps.

One function for each place: window by window on a CPU, where small products stay in the cache; all windows at once,
padded inside attention only, on a GPU, where a loop would wait for kernel launches.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from docre.models.dropout import LEVELS, draw, survivors
from docre.models.dropout import dropout as drop
from docre.models.plan import AttentionPlan, Part, current_plan

PACKED = "docre_packed"


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """`attend` as transformers calls an attention function."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    bias = None if sliding_window is None else current_plan().band(sliding_window)
    return attend(query, key, value, scale, dropout, bias), None


# Of windows, from their queries and keys [windows, heads, length, size]: [windows, heads, length, length].
Bias = Callable[[Tensor, Tensor], Tensor]


def attend(
    query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float, bias: Tensor | Bias | None = None
) -> Tensor:
    """softmax(q k^T * scale + bias) v within each window of the current plan: query, key, value [1, heads, tokens,
    size] -> [1, tokens, heads, size]. Dropout falls on the probabilities, and the rows that are kept are those after
    it, as published.

    bias: for all windows the same, [1, heads or 1, longest window, longest window], with all heads if it takes a
          gradient; or a function that computes it.
    """
    plan = current_plan()
    keep = plan.next_layer_is_read()
    q, k, v = (x.squeeze(0) for x in (query, key, value))  # by [0] the gradient would be made of zeros and copied
    if query.is_cuda:
        added = bias(plan.spread(q), plan.spread(k)) if callable(bias) else bias
        output, rows = attend_padded(q, k, v, scale, dropout, plan, keep, added)
    elif callable(bias):
        output, rows = attend_alone(q, k, v, scale, dropout, plan, keep, bias)
    else:
        output, rows = attend_packed(q, k, v, scale, dropout, plan, keep, bias)
    if rows is not None:
        plan.rows.append(rows)
    return output[None]


Attended = tuple[Tensor, Tensor | None]  # [tokens, heads, size] and, in a layer whose rows are kept, those


def attend_packed(
    q: Tensor, k: Tensor, v: Tensor, scale: float, p: float, plan: AttentionPlan, keep: bool, bias: Tensor | None
) -> Attended:
    """Attention [heads, tokens, size] window by window."""
    if p:
        return _WindowAttention.apply(q, k, v, scale, p, plan, keep, bias)
    return attend_windows(q, k, v, scale, plan, keep, bias)


def attend_alone(
    q: Tensor, k: Tensor, v: Tensor, scale: float, p: float, plan: AttentionPlan, keep: bool, bias: Bias
) -> Attended:
    """The same where the bias is computed, so that the bias of only one window is there at a time."""
    outputs, rows = [], []
    split = (x.split(plan.window_lengths, 1) for x in (q, k, v))
    for alone, qw, kw, vw in zip(plan.alone(), *split, strict=True):
        output, read = attend_packed(qw, kw, vw, scale, p, alone, keep, bias(qw[None], kw[None]))
        outputs.append(output)
        if read is not None:
            rows.append(nn.functional.pad(read, (0, plan.longest - read.shape[2])))
    return torch.cat(outputs), torch.cat(rows) if keep else None


def attend_windows(
    q: Tensor, k: Tensor, v: Tensor, scale: float, plan: AttentionPlan, keep: bool, bias: Tensor | None = None
) -> Attended:
    """Attention [heads, tokens, size] without dropout: fused for all tokens, and once more, as probabilities, for the
    rows that are read. Saves the [length x length] maps of every layer."""
    outputs, rows = [], []
    for tokens, index, _ in plan.windows():
        qw, kw, vw = q[:, tokens], k[:, tokens], v[:, tokens]
        added = window_bias(bias, qw.shape[1])
        mask = None if added is None else added[None].to(q.dtype)
        outputs.append(scaled_dot_product_attention(qw[None], kw[None], vw[None], attn_mask=mask, scale=scale)[0])
        if keep:
            scores = torch.bmm(qw.index_select(1, index) * scale, kw.transpose(1, 2))
            if added is not None:
                scores = scores + added[:, index]
            read = softmax(scores).transpose(0, 1)
            rows.append(nn.functional.pad(read, (0, plan.longest - read.shape[2])))
    return torch.cat(outputs, dim=1).transpose(0, 1), torch.cat(rows) if keep else None


def window_bias(bias: Tensor | None, length: int) -> Tensor | None:
    """The bias of a window of that length, [heads or 1, length, length]."""
    return None if bias is None else bias[0, :, :length, :length]


class _WindowAttention(torch.autograd.Function):
    """Attention [heads, tokens, size] with dropout on the probabilities, window by window and a few heads at a time.

    Autograd would keep the probabilities P before dropout, the mask and the probabilities after it, nine bytes for each
    of heads * length^2. This keeps four: P / 2 where a probability survives and -P / 2 where it is dropped. And its
    backward pass goes over them five times where autograd's does eleven: dropout's scale u is put on the values and the
    gradients instead, and softmax's gradient P * (G - sum P G), with the gradient G of the probabilities, takes its sum
    from the output, as sum P G = sum O dO. A bias of the scores has this same gradient, and is not kept.
    """

    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        scale: float,
        p: float,
        plan: AttentionPlan,
        keep: bool,
        bias: Tensor | None = None,
    ) -> Attended:
        dropped = round(p * LEVELS)
        up = LEVELS / max(1, LEVELS - dropped)
        parts = plan.parts(len(q), q.element_size())
        bias_shape = None if bias is None else bias.shape
        ctx.settings = scale, up, parts, keep, bias_shape  # no plan: it will hold our output, a ring never freed
        halves = []
        output = q.new_empty(q.shape[1], q.shape[0], v.shape[2])
        rows = q.new_zeros(len(plan.row_index), q.shape[0], plan.longest) if keep else None
        first, second = buffers(parts, q, 2)
        for heads, tokens, index, place, shape in parts:
            probability = cut(first, shape)
            torch.bmm(q[heads, tokens] * scale, k[heads, tokens].transpose(1, 2), out=probability)
            added = window_bias(bias, shape[2])
            if added is not None:
                probability.add_(added.expand(len(q), -1, -1)[heads])
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
        scale, up, parts, keep, bias_shape = ctx.settings
        dq, dk, dv = (torch.empty_like(x) for x in (q, k, v))
        d_bias = q.new_zeros(bias_shape) if any(ctx.needs_input_grad[7:]) else None
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
            if d_bias is not None:
                d_bias[0, heads, : shape[1], : shape[2]] -= d_scores
        return dq, dk, dv, None, None, None, None, d_bias


def buffers(parts: Sequence[Part], like: Tensor, count: int) -> list[Tensor]:
    """Memory for the largest of the parts, used again for each."""
    size = max((part.shape.numel() for part in parts), default=0)
    return [like.new_empty(size) for _ in range(count)]


def cut(buffer: Tensor, shape: torch.Size) -> Tensor:
    """The beginning of a buffer in a shape."""
    return buffer[: shape.numel()].view(shape)


def attend_padded(
    q: Tensor, k: Tensor, v: Tensor, scale: float, p: float, plan: AttentionPlan, keep: bool, bias: Tensor | None = None
) -> Attended:
    """Attention [heads, tokens, size] over all windows at once: a few kernels, however many windows there are.

    bias: [windows or 1, heads or 1, longest window, longest window].
    """
    _, real, row_place = plan.padded
    qw, kw, vw = plan.spread(q), plan.spread(k), plan.spread(v)
    mask = real[:, None, None]
    if not keep:
        added = mask if bias is None else hide(bias.to(q.dtype), mask)
        output = scaled_dot_product_attention(qw, kw, vw, attn_mask=added, dropout_p=p, scale=scale)
        return plan.gather(output.transpose(1, 2)), None
    scores = torch.matmul(qw * scale, kw.transpose(2, 3))
    scores = scores.masked_fill(~mask, -torch.inf) if bias is None else hide(scores + bias, mask)
    probability = drop(softmax(scores), p)
    output = torch.matmul(probability.to(v.dtype), vw)
    rows = probability.transpose(1, 2).flatten(0, 1)[row_place]
    return plan.gather(output.transpose(1, 2)), rows


def hide(scores: Tensor, mask: Tensor) -> Tensor:
    """The scores with a very low one where there is no token. It is finite: a place beyond a window, all of whose
    tokens a bias may exclude, would get NaN for its softmax and spread that by the gradient."""
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min)


def softmax(scores: Tensor) -> Tensor:
    """Over the last dimension, in float32 or better."""
    return scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))


AttentionInterface.register(PACKED, packed_attention)
