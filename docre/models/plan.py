"""What packed attention has to know of a batch: where the windows lie, and whose attention is read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from docre.tensors import even_slices

SCRATCH = 2 * 2**20  # bytes of a [heads, length, length] buffer: on a CPU it should stay in the cache


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
    layers:         how many layers have attended.
    """

    window_lengths: tuple[int, ...]
    row_index: Tensor
    row_counts: tuple[int, ...]
    first_layer: int
    rows: list[Tensor] = field(default_factory=list)
    layers: int = 0

    @property
    def longest(self) -> int:
        """Tokens of the longest window."""
        return max(self.window_lengths)

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Packed attention within follows this plan."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def next_layer_is_read(self) -> bool:
        """Whether the rows of the layer that is about to attend are kept. Each layer asks once: they are counted, since
        not every encoder numbers them, and one may use the same module for all."""
        self.layers += 1
        return self.layers > self.first_layer

    def mean_rows(self) -> Tensor:
        """The kept rows, mean over the layers: [rows, heads, longest window]."""
        return self.rows[0] if len(self.rows) == 1 else torch.stack(self.rows).mean(0)

    def parts(self, heads: int, bytes_each: int) -> list[Part]:
        """The windows, and of each as many heads at a time as fit into SCRATCH."""
        found = []
        for tokens, index, place in self.windows():
            length = tokens.stop - tokens.start
            step = max(1, SCRATCH // (bytes_each * length * length))
            for some in even_slices(heads, step):
                shape = torch.Size((some.stop - some.start, length, length))
                found.append(Part(some, tokens, index, place, shape))
        return found

    def windows(self) -> list[tuple[slice, Tensor, slice]]:
        """Of each window: its tokens, the positions in it whose attention is read, and their place among the rows."""
        tokens, rows = slices(self.window_lengths), slices(self.row_counts)
        return list(zip(tokens, self.row_index.split(self.row_counts), rows, strict=True))

    def alone(self) -> list["AttentionPlan"]:
        """A plan for each window."""
        parts = zip(self.window_lengths, self.row_index.split(self.row_counts), self.row_counts, strict=True)
        return [AttentionPlan((length,), index, (count,), self.first_layer) for length, index, count in parts]

    @cached_property
    def padded(self) -> tuple[Tensor, Tensor, Tensor]:
        """For attention over all windows at once: where each token stands when every window is as long as the longest
        [tokens], where a window has a token [windows, longest], and where each row stands [rows]."""
        device, longest = self.row_index.device, self.longest
        lengths, counts = (torch.tensor(x, device=device) for x in (self.window_lengths, self.row_counts))
        windows = torch.arange(len(lengths), device=device)
        real = torch.arange(longest, device=device) < lengths[:, None]
        tokens = sum(self.window_lengths)
        of_token = windows.repeat_interleave(lengths, output_size=tokens)
        of_row = windows.repeat_interleave(counts, output_size=len(self.row_index))
        place = torch.arange(tokens, device=device) + (windows * longest - lengths.cumsum(0) + lengths)[of_token]
        return place, real, of_row * longest + self.row_index

    def spread(self, packed: Tensor) -> Tensor:
        """[heads, tokens, size] -> [windows, heads, longest window, size], zero beyond a window."""
        place, real, _ = self.padded
        flat = packed.new_zeros(real.numel(), len(packed), packed.shape[2]).index_copy(0, place, packed.transpose(0, 1))
        return flat.unflatten(0, real.shape).transpose(1, 2)

    def gather(self, windows: Tensor) -> Tensor:
        """[windows, longest window, ...] -> [tokens, ...]: the windows' tokens end to end."""
        return windows.flatten(0, 1)[self.padded[0]]

    def band(self, reach: int) -> Tensor | None:
        """The bias that lets a token attend to those less than `reach` away: [1, 1, longest window, longest window] of
        0 and -inf; None where no window is longer."""
        if self.longest <= reach:
            return None
        beyond = torch.full((self.longest, self.longest), -torch.inf, device=self.row_index.device).triu(reach)
        return (beyond + beyond.T)[None, None]


_current: ContextVar[AttentionPlan] = ContextVar("attention plan")


def current_plan() -> AttentionPlan:
    """The plan that packed attention follows. LookupError outside of `AttentionPlan.followed`."""
    return _current.get()


def slices(lengths: Sequence[int]) -> list[slice]:
    """Where parts of these lengths lie when they lie end to end."""
    done, found = 0, []
    for length in lengths:
        found.append(slice(done, done + length))
        done += length
    return found
