"""Attention over a packed batch, without padding and without full attention maps.

transformers lets a model's attention function be replaced. Ours takes the tokens of all windows, concatenated, so that
the position-wise layers of the encoder run on real tokens only, and attends within each window. From the layers whose
attention the DocRE model needs, it keeps only the rows of the mention markers, not the [heads, length, length] maps.

There is one implementation for each kind of device: on a CPU window by window, where small products stay in the cache;
on a GPU all windows at once, padded inside attention only, since a loop would be bound by kernel launches.
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
from docre.models.plan import AttentionPlan, WindowPart, current_plan

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
    """`attend`, with the signature of a transformers attention function."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    bias = None if sliding_window is None else current_plan().band_bias(sliding_window)
    return attend(query, key, value, scale, dropout, bias), None


# Computes a bias [windows, heads, length, length] from queries and keys [windows, heads, length, size].
Bias = Callable[[Tensor, Tensor], Tensor]


def attend(
    query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float, bias: Tensor | Bias | None = None
) -> Tensor:
    """softmax(q k^T * scale + bias) v within each window of the current plan: query, key, value [1, heads, tokens,
    size] -> [1, tokens, heads, size]. Dropout is applied to the probabilities, and the plan keeps rows of the
    probabilities after dropout, as ATLOP's published code does.

    bias: a tensor [1, heads or 1, longest window, longest window] for all windows, with all heads if it needs a
          gradient; or a function that computes the bias of each window.
    """
    plan = current_plan()
    keep = plan.start_layer()
    q, k, v = (x.squeeze(0) for x in (query, key, value))  # not [0], whose backward pass fills and copies a tensor
    if query.is_cuda:
        added = bias(plan.pad_windows(q), plan.pad_windows(k)) if callable(bias) else bias
        output, rows = attend_padded(q, k, v, scale, dropout, plan, keep, added)
    elif callable(bias):
        output, rows = attend_with_computed_bias(q, k, v, scale, dropout, plan, keep, bias)
    else:
        output, rows = attend_packed(q, k, v, scale, dropout, plan, keep, bias)
    if rows is not None:
        plan.rows.append(rows)
    return output[None]


# The output [tokens, heads, size]; and the attention rows [rows, heads, longest window], or None if none are kept.
Attended = tuple[Tensor, Tensor | None]


def attend_packed(
    q: Tensor, k: Tensor, v: Tensor, scale: float, p: float, plan: AttentionPlan, keep: bool, bias: Tensor | None
) -> Attended:
    """Attention window by window: q, k, v [heads, tokens, size], dropout probability p."""
    if p:
        return _WindowAttention.apply(q, k, v, scale, p, plan, keep, bias)
    return attend_windows(q, k, v, scale, plan, keep, bias)


def attend_with_computed_bias(
    q: Tensor, k: Tensor, v: Tensor, scale: float, p: float, plan: AttentionPlan, keep: bool, bias: Bias
) -> Attended:
    """The same for a bias that is computed: only one window's bias is in memory at a time."""
    outputs, rows = [], []
    split = (x.split(plan.window_lengths, 1) for x in (q, k, v))
    for window, qw, kw, vw in zip(plan.per_window(), *split, strict=True):
        output, kept = attend_packed(qw, kw, vw, scale, p, window, keep, bias(qw[None], kw[None]))
        outputs.append(output)
        if kept is not None:
            rows.append(nn.functional.pad(kept, (0, plan.longest - kept.shape[2])))
    return torch.cat(outputs), torch.cat(rows) if keep else None


def attend_windows(
    q: Tensor, k: Tensor, v: Tensor, scale: float, plan: AttentionPlan, keep: bool, bias: Tensor | None = None
) -> Attended:
    """Attention without dropout: q, k, v [heads, tokens, size]. The output comes from torch's fused attention, which
    stores no [length, length] maps; the probabilities of the rows to keep are computed separately."""
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
            kept = softmax(scores).transpose(0, 1)
            rows.append(nn.functional.pad(kept, (0, plan.longest - kept.shape[2])))
    return torch.cat(outputs, dim=1).transpose(0, 1), torch.cat(rows) if keep else None


def window_bias(bias: Tensor | None, length: int) -> Tensor | None:
    """The part of a bias for a window of `length` tokens, [heads or 1, length, length]."""
    return None if bias is None else bias[0, :, :length, :length]


class _WindowAttention(torch.autograd.Function):
    """Attention with dropout on the probabilities, window by window and a few heads at a time: q, k, v [heads, tokens,
    size].

    For each of the heads * length^2 probabilities, autograd would save nine bytes: its value P before dropout, the
    mask, and its value after dropout. This saves four: P / 2 if it survives dropout, -P / 2 if it is dropped. The
    backward pass reads them five times instead of eleven: dropout's scale is applied to the output and its gradient,
    which are smaller, and in softmax's gradient P * (G - sum P G), where G is the gradient of P, the sum comes from the
    output O, since sum P G = sum O dO. The gradient of the scores is also that of the bias, so the bias is not saved.
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
        upscale = LEVELS / max(1, LEVELS - dropped)
        parts = plan.parts(len(q), q.element_size())
        bias_shape = None if bias is None else bias.shape
        ctx.settings = scale, upscale, parts, keep, bias_shape  # not the plan: it holds our output, which makes a cycle
        halves = []
        output = q.new_empty(q.shape[1], q.shape[0], v.shape[2])
        rows = q.new_zeros(len(plan.row_index), q.shape[0], plan.longest) if keep else None
        first, second = scratch_buffers(parts, q, 2)
        for heads, tokens, index, row_slice, shape in parts:
            probability = view_front(first, shape)
            torch.bmm(q[heads, tokens] * scale, k[heads, tokens].transpose(1, 2), out=probability)
            added = window_bias(bias, shape[2])
            if added is not None:
                probability.add_(added.expand(len(q), -1, -1)[heads])
            torch.softmax(probability, -1, out=probability)
            kept = survivors(draw(shape), dropped, view_front(second, shape)).mul_(probability)
            halves.append(torch.sub(kept, probability, alpha=0.5))
            output[tokens, heads] = torch.bmm(kept, v[heads, tokens]).transpose(0, 1)
            if rows is not None:
                rows[row_slice, heads, : shape[2]] = kept.index_select(1, index).transpose(0, 1)
        output.mul_(upscale)
        if rows is not None:
            rows.mul_(upscale)
        ctx.save_for_backward(q, k, v, output, rows, *halves)
        return output, rows

    @staticmethod
    @custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(ctx: Any, d_output: Tensor, d_rows: Tensor | None) -> tuple[Tensor | None, ...]:
        q, k, v, output, rows, *halves = ctx.saved_tensors
        scale, upscale, parts, keep, bias_shape = ctx.settings
        dq, dk, dv = (torch.empty_like(x) for x in (q, k, v))
        d_bias = q.new_zeros(bias_shape) if any(ctx.needs_input_grad[7:]) else None
        sums = (output * d_output).sum(2).transpose(0, 1) * 2  # [heads, tokens], for P / 2
        d_output = d_output.transpose(0, 1) * (2 * upscale)
        first, second = scratch_buffers(parts, q, 2)
        for (heads, tokens, index, row_slice, shape), half in zip(parts, halves, strict=True):
            part = heads, tokens
            kept = torch.clamp(half, min=0, out=view_front(first, shape))
            dv[part] = torch.bmm(kept.transpose(1, 2), d_output[part])
            gradient = torch.bmm(d_output[part], v[part].transpose(1, 2), out=view_front(second, shape))
            inner = sums[part]
            if keep and d_rows is not None:
                d_kept = d_rows[row_slice, heads, : shape[2]]
                gradient.index_add_(1, index, d_kept.transpose(0, 1), alpha=2 * upscale)
                inner.index_add_(1, index, (rows[row_slice, heads, : shape[2]] * d_kept).sum(2).T, alpha=2)
            kept.mul_(gradient)
            d_scores = torch.abs(half, out=gradient).mul_(inner[:, :, None]).sub_(kept)  # -(P * (G - sum P G))
            dq[part] = torch.bmm(d_scores, k[part]).mul_(-scale)
            dk[part] = torch.bmm(d_scores.transpose(1, 2), q[part]).mul_(-scale)
            if d_bias is not None:
                d_bias[0, heads, : shape[1], : shape[2]] -= d_scores
        return dq, dk, dv, None, None, None, None, d_bias


def scratch_buffers(parts: Sequence[WindowPart], like: Tensor, count: int) -> list[Tensor]:
    """`count` flat buffers, each large enough for any of the parts, with the dtype and device of `like`."""
    size = max((part.shape.numel() for part in parts), default=0)
    return [like.new_empty(size) for _ in range(count)]


def view_front(buffer: Tensor, shape: torch.Size) -> Tensor:
    """The first elements of a flat buffer, viewed in this shape."""
    return buffer[: shape.numel()].view(shape)


def attend_padded(
    q: Tensor, k: Tensor, v: Tensor, scale: float, p: float, plan: AttentionPlan, keep: bool, bias: Tensor | None = None
) -> Attended:
    """Attention over all windows at once, in a few kernels however many there are: q, k, v [heads, tokens, size].

    bias: [windows or 1, heads or 1, longest window, longest window].
    """
    _, real, row_window = plan.padded
    qw, kw, vw = plan.pad_windows(q), plan.pad_windows(k), plan.pad_windows(v)
    mask = real[:, None, None]
    if not keep or not p:
        added = mask if bias is None else mask_scores(bias.to(q.dtype), mask)
        output = scaled_dot_product_attention(qw, kw, vw, attn_mask=added, dropout_p=p, scale=scale)
        rows = kept_rows(qw, kw, scale, plan, bias) if keep else None
    else:
        probability = drop(softmax(padded_scores(qw, kw, scale, mask, bias)), p)
        output = torch.matmul(probability.to(v.dtype), vw)
        rows = probability[row_window, :, plan.row_index]
    return plan.unpad(output.transpose(1, 2)), rows


def kept_rows(qw: Tensor, kw: Tensor, scale: float, plan: AttentionPlan, bias: Tensor | None) -> Tensor:
    """The probabilities of the rows to keep, of padded queries and keys [windows, heads, longest window, size]."""
    if not len(plan.row_index):
        return qw.new_zeros(0, qw.shape[1], plan.longest)
    positions, place = plan.padded_rows
    windows = torch.arange(len(qw), device=qw.device)[:, None]
    own = qw[windows, :, positions].transpose(1, 2)  # [windows, heads, rows of a window, size]
    if bias is not None:
        bias = bias.expand(len(qw), -1, -1, -1)[windows, :, positions].transpose(1, 2)
    scores = padded_scores(own, kw, scale, plan.padded[1][:, None, None], bias)
    return softmax(scores).transpose(1, 2).flatten(0, 1)[place]


def padded_scores(q: Tensor, kw: Tensor, scale: float, mask: Tensor, bias: Tensor | None) -> Tensor:
    """The scores of queries [windows, heads, queries, size] and keys [windows, heads, longest window, size]. `mask`:
    False at padding."""
    scores = torch.matmul(q * scale, kw.transpose(2, 3))
    return scores.masked_fill(~mask, -torch.inf) if bias is None else mask_scores(scores + bias, mask)


def mask_scores(scores: Tensor, mask: Tensor) -> Tensor:
    """The scores, with the lowest finite value where `mask` is False (padding). With -inf, a padding row all of whose
    tokens a bias excludes would have a softmax of NaN, which the gradient would spread."""
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min)


def softmax(scores: Tensor) -> Tensor:
    """Softmax over the last dimension, in float32 or better."""
    return scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))


AttentionInterface.register(PACKED, packed_attention)
