"""The plan of packed attention: where each window of a batch lies, and which attention rows to keep."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from docre.tensors import even_slices, integers_on

SCRATCH_BYTES = 2 * 2**20  # of a [heads, length, length] buffer, which on a CPU should fit into the cache


class WindowPart(NamedTuple):
    """A few heads of one window, whose attention is computed at once.

    heads:     slice of all heads.
    tokens:    slice of the tokens of the batch: the window.
    row_index: [window's rows] positions in the window whose attention is kept.
    rows:      slice of the rows of the batch: where these are stored.
    shape:     of the attention map, [heads, length, length].
    """

    heads: slice
    tokens: slice
    row_index: Tensor
    rows: slice
    shape: torch.Size


@dataclass
class AttentionPlan:
    """What packed attention needs to know of a batch, and the attention rows that it keeps.

    A row is the attention of one token over its window.

    window_lengths: number of tokens of each window.
    row_index:      [rows] position, in its window, of each token whose row is kept; ordered by window.
    row_counts:     number of rows of each window.
    first_layer:    index of the first layer whose rows are kept; those of all later layers are, too.
    rows:           for each of these layers the rows, [rows, heads, longest window], zero beyond a row's window.
    layers_started: number of layers that have started to attend.
    bands:          the biases of sliding windows, by their reach; layers share them.
    """

    window_lengths: tuple[int, ...]
    row_index: Tensor
    row_counts: tuple[int, ...]
    first_layer: int
    rows: list[Tensor] = field(default_factory=list)
    layers_started: int = 0
    bands: dict[int, Tensor] = field(default_factory=dict)

    @property
    def longest(self) -> int:
        """Number of tokens of the longest window."""
        return max(self.window_lengths)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Context in which packed attention follows this plan."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def start_layer(self) -> bool:
        """Count one more layer, and return whether its rows are to be kept. Every layer has to call this once: layers
        are counted because not every encoder numbers them, and some use the same module for all of them."""
        self.layers_started += 1
        return self.layers_started > self.first_layer

    def mean_rows(self) -> Tensor:
        """The mean of the kept rows over the layers, [rows, heads, longest window]."""
        return self.rows[0] if len(self.rows) == 1 else torch.stack(self.rows).mean(0)

    def parts(self, num_heads: int, element_size: int) -> list[WindowPart]:
        """Every window, divided into as many heads at a time as fit into SCRATCH_BYTES; `element_size` in bytes."""
        parts = []
        for tokens, index, rows in self.windows():
            length = tokens.stop - tokens.start
            step = max(1, SCRATCH_BYTES // (element_size * length * length))
            for heads in even_slices(num_heads, step):
                shape = torch.Size((heads.stop - heads.start, length, length))
                parts.append(WindowPart(heads, tokens, index, rows, shape))
        return parts

    def windows(self) -> list[tuple[slice, Tensor, slice]]:
        """For each window: the slice of its tokens, the positions in it of its rows, and the slice of these rows."""
        tokens, rows = consecutive_slices(self.window_lengths), consecutive_slices(self.row_counts)
        return list(zip(tokens, self.row_index.split(self.row_counts), rows, strict=True))

    def per_window(self) -> list["AttentionPlan"]:
        """A plan for each window by itself."""
        windows = zip(self.window_lengths, self.row_index.split(self.row_counts), self.row_counts, strict=True)
        return [AttentionPlan((length,), index, (count,), self.first_layer) for length, index, count in windows]

    @cached_property
    def padded(self) -> tuple[Tensor, Tensor, Tensor]:
        """Indices for padding every window to the longest: the position of each token in the flattened padded windows
        [tokens], a mask that is True at tokens and False at padding [windows, longest], and the window of each row
        [rows]."""
        device, longest = self.row_index.device, self.longest
        lengths, counts = integers_on(device, (self.window_lengths, self.row_counts))
        windows = torch.arange(len(lengths), device=device)
        real = torch.arange(longest, device=device) < lengths[:, None]
        tokens = sum(self.window_lengths)
        of_token = windows.repeat_interleave(lengths, output_size=tokens)
        of_row = windows.repeat_interleave(counts, output_size=len(self.row_index))
        position = torch.arange(tokens, device=device) + (windows * longest - lengths.cumsum(0) + lengths)[of_token]
        return position, real, of_row

    def pad_windows(self, packed: Tensor) -> Tensor:
        """[heads, tokens, size] -> [windows, heads, longest window, size], padded with zeros."""
        position, real, _ = self.padded
        flat = packed.new_zeros(real.numel(), len(packed), packed.shape[2])
        flat = flat.index_copy(0, position, packed.transpose(0, 1))
        return flat.unflatten(0, real.shape).transpose(1, 2)

    @cached_property
    def padded_rows(self) -> tuple[Tensor, Tensor]:
        """The positions of the rows of each window, padded with 0 to the most rows of a window [windows, rows of a
        window], and where each row is in that, flattened [rows]."""
        _, real, window = self.padded
        most = max(self.row_counts)
        starts = integers_on(window.device, list(accumulate(self.row_counts, initial=0))[:-1])
        place = window * most + torch.arange(len(window), device=window.device) - starts[window]
        positions = self.row_index.new_zeros(len(real) * most).index_copy(0, place, self.row_index)
        return positions.view(len(real), most), place

    def unpad(self, windows: Tensor) -> Tensor:
        """[windows, longest window, ...] -> [tokens, ...], without the padding."""
        return windows.flatten(0, 1).index_select(0, self.padded[0])

    def band_bias(self, reach: int) -> Tensor | None:
        """The bias of sliding-window attention, where a token attends to those less than `reach` tokens away: 0 for
        these and -inf for others, [1, 1, longest window, longest window]; None if no window is longer than `reach`."""
        if self.longest <= reach:
            return None
        if reach not in self.bands:
            beyond = torch.full((self.longest, self.longest), -torch.inf, device=self.row_index.device).triu(reach)
            self.bands[reach] = (beyond + beyond.T)[None, None]
        return self.bands[reach]


_current: ContextVar[AttentionPlan] = ContextVar("attention plan")


def current_plan() -> AttentionPlan:
    """The plan that packed attention follows. Raises LookupError outside of `AttentionPlan.active`."""
    return _current.get()


def consecutive_slices(lengths: Sequence[int]) -> list[slice]:
    """Consecutive slices of these lengths, the first from 0."""
    start, slices = 0, []
    for length in lengths:
        slices.append(slice(start, start + length))
        start += length
    return slices
