"""Every implementation of packed attention equals plain attention, window by window."""

import pytest
import torch

from docre.models import attention as module
from docre.models.attention import _WindowAttention, attend_padded, attend_windows
from docre.models.dropout import LEVELS
from docre.models.plan import AttentionPlan

LENGTHS, ROWS = (7, 1, 12), (3, 0, 4)
HEADS, SIZE, SCALE = 2, 4, 0.37


def plan() -> AttentionPlan:
    return AttentionPlan(LENGTHS, torch.tensor([6, 0, 6, 11, 2, 5, 5]), ROWS, 0)


def tensors(dtype=torch.float32) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(HEADS, sum(LENGTHS), SIZE, dtype=dtype).mul_(2).requires_grad_() for _ in range(3)]


def bias(kind: str) -> torch.Tensor | None:
    """No bias, a learned one, or that of a sliding window of 5 tokens (each token and two on either side)."""
    torch.manual_seed(1)
    if kind == "band":
        return plan().band_bias(3)
    return torch.randn(1, HEADS, 12, 12).mul_(2).requires_grad_() if kind == "learned" else None


def plain(q, k, v, masks=None, bias=None):
    """Attention by definition: the output and the kept rows; each window's map is multiplied by its mask."""
    outputs, rows, start = [], [], 0
    index = plan().row_index.split(ROWS)
    for w, length in enumerate(LENGTHS):
        here = slice(start, start + length)
        scores = SCALE * q[:, here] @ k[:, here].transpose(1, 2)
        if bias is not None:
            scores = scores + bias[0, :, :length, :length]
        maps = scores.softmax(-1)
        maps = maps if masks is None else maps * masks[w]
        outputs.append((maps @ v[:, here]).transpose(0, 1))
        rows.append(torch.nn.functional.pad(maps[:, index[w]].transpose(0, 1), (0, max(LENGTHS) - length)))
        start += length
    return torch.cat(outputs), torch.cat(rows)


def gradients(outputs, inputs):
    """The gradients of a fixed random function of all outputs."""
    generator = torch.Generator().manual_seed(5)
    total = sum((torch.randn(o.shape, generator=generator).to(o) * o).sum() for o in outputs)
    return torch.autograd.grad(total, inputs)


BIASES = ["none", "learned", "band"]


@pytest.mark.parametrize("kind", BIASES)
@pytest.mark.parametrize(
    "attend", [attend_windows, lambda q, k, v, s, p, keep, b: attend_padded(q, k, v, s, 0.0, p, keep, b)]
)
def test_without_dropout(attend, kind):
    q, k, v = tensors()
    b = bias(kind)
    inputs = [x for x in (q, k, v, b) if x is not None and x.requires_grad]
    expected, got = plain(q, k, v, bias=b), attend(q, k, v, SCALE, plan(), True, b)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    for one, other in zip(gradients(got, inputs), gradients(expected, inputs), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    output, rows = attend(q, k, v, SCALE, plan(), False, b)
    assert rows is None
    torch.testing.assert_close(output, expected[0], atol=1e-5, rtol=1e-4)
    again = plain(q, k, v, bias=b)[:1]
    for one, other in zip(gradients([output], inputs), gradients(again, inputs), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_band():
    """Tokens less than `reach` apart attend to each other."""
    position = torch.arange(12)
    assert torch.equal(plan().band_bias(3)[0, 0] == 0, (position[:, None] - position).abs() < 3)
    assert plan().band_bias(11) is not None and plan().band_bias(12) is None


@pytest.mark.parametrize("kind", BIASES)
@pytest.mark.parametrize("keep", [True, False])
def test_saved_halves_give_autograds_gradient(keep, kind, monkeypatch):
    masks, draw = [], module.draw

    def record(shape):
        draws = draw(shape)
        masks.append(draws >= LEVELS // 4 - LEVELS // 2)
        return draws

    monkeypatch.setattr(module, "draw", record)
    q, k, v = tensors()
    b = bias(kind)
    inputs = [x for x in (q, k, v, b) if x is not None and x.requires_grad]
    got = _WindowAttention.apply(q, k, v, SCALE, 0.25, plan(), keep, b)
    up = LEVELS / (LEVELS - LEVELS // 4)
    expected = plain(q, k, v, [mask * up for mask in masks], b)
    assert 0 < sum(int((~mask).sum()) for mask in masks) < sum(mask.numel() for mask in masks) / 2
    used = [(a, b) for a, b in zip(got, expected, strict=True) if a is not None]
    assert len(used) == 1 + keep
    for a, b in used:
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    ours, theirs = (gradients([pair[side] for pair in used], inputs) for side in (0, 1))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_padded_attention_drops_probabilities():
    """In the implementation for GPUs, probabilities are dropped at the given rate, and the others scaled up."""
    torch.manual_seed(0)
    q, k, v = tensors()
    draws = torch.stack([attend_padded(q, k, v, SCALE, 0.25, plan(), True)[1] for _ in range(300)])
    whole = attend_padded(q, k, v, SCALE, 0.0, plan(), True)[1]
    torch.testing.assert_close(draws.mean(0), whole, atol=0.15, rtol=0)
    assert abs((draws[:, whole > 0] == 0).float().mean() - 0.25) < 0.01


def test_only_four_bytes_a_probability_are_kept_for_the_backward_pass():
    """For a window of n tokens autograd saves heads * n^2 numbers of four bytes, and q, k, v and the output."""
    n = 64
    q, k, v = (torch.randn(HEADS, n, SIZE, requires_grad=True) for _ in range(3))
    one_window = AttentionPlan((n,), torch.tensor([], dtype=torch.long), (0,), 0)
    output, _ = _WindowAttention.apply(q, k, v, SCALE, 0.1, one_window, False)
    node = output.grad_fn
    *small, rows, halves = node.saved_tensors
    assert rows is None and halves.nbytes == 4 * HEADS * n * n
    assert [saved.numel() for saved in small] == 4 * [HEADS * n * SIZE]  # q, k, v and the output
