"""DocuNet's U-Net over entity maps, and its batch norm (Zhang et al. 2021, section 3.3)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, interpolate, max_pool2d, pad

from docre.models.products import linear
from docre.models.winograd import Convolution

NormOver = Literal["all_cells", "real_cells"]


class MapNorm(nn.BatchNorm2d):
    """Batch norm over the maps of all documents of a batch together.

    over: which cells the statistics are taken of in training: "all_cells", padding included (published), or
          "real_cells", those of the entities. All cells are normalized.
    """

    def __init__(self, channels: int, over: NormOver) -> None:
        super().__init__(channels)
        self.over = over

    def forward(self, maps: Sequence[Tensor], real: Sequence[Tensor]) -> list[Tensor]:  # type: ignore[override]
        """maps [documents, channels, side, side] of one side after another, and which of their cells are real, bool
        [documents, 1, side, side]."""
        if not self.training:
            return [super(MapNorm, self).forward(m) for m in maps]
        cells = [m.permute(0, 2, 3, 1) for m in maps]  # [documents, side, side, channels]
        chosen = torch.cat(
            [c[r[:, 0]] if self.over == "real_cells" else c.flatten(0, 2) for c, r in zip(cells, real, strict=True)]
        )
        if not len(chosen):  # no document has an entity: there are no statistics, and nothing reads the maps
            return [
                batch_norm(m, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps) for m in maps
            ]
        variance, mean = torch.var_mean(chosen.float(), dim=0, correction=0)
        self._track(mean.detach(), variance.detach(), len(chosen))
        scale = self.weight / torch.sqrt(variance + self.eps)
        return [torch.addcmul(self.bias, c - mean, scale).to(c.dtype).permute(0, 3, 1, 2) for c in cells]

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running statistics as nn.BatchNorm2d does, the variance without bias."""
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / max(1, count - 1)), self.momentum)
        self.num_batches_tracked += 1


class DoubleConvolution(nn.ModuleList):
    """Twice a 3 x 3 convolution, a batch norm and a ReLU."""

    def __init__(self, channels: int, out: int, over: NormOver) -> None:
        layers: list[nn.Module] = []
        for c in (channels, out):
            layers += [Convolution(c, out), MapNorm(out, over), nn.ReLU(inplace=True)]
        super().__init__(layers)

    def forward(self, maps: Sequence[Tensor], real: Sequence[Tensor]) -> Sequence[Tensor]:
        """Maps [documents, channels, side, side] of one side after another, with their real cells -> [.., out, ..]."""
        for layer in self:
            maps = layer(maps, real) if isinstance(layer, MapNorm) else [layer(m) for m in maps]
        return maps


class UNet(nn.Module):
    """Two poolings down, and two bilinear interpolations back up, each beside the map of the same size on the way down.

    channels: of the maps that come in. out: size of a cell that comes out. width: channels after the first convolution.
    over:     see MapNorm. After a pooling a cell is real if one of those that it was pooled from is.
    """

    def __init__(self, channels: int, out: int, width: int, over: NormOver) -> None:
        super().__init__()
        self.inc = DoubleConvolution(channels, width, over)
        self.down1 = DoubleConvolution(width, 2 * width, over)
        self.down2 = DoubleConvolution(2 * width, 2 * width, over)
        self.up1 = DoubleConvolution(4 * width, width, over)
        self.up2 = DoubleConvolution(2 * width, width // 2, over)
        self.outc = nn.Conv2d(width // 2, out, 1)

    def forward(self, maps: Sequence[Tensor], real: Sequence[Tensor], chosen: Tensor) -> Tensor:
        """maps [documents, channels, side, side] of one side after another, which of their cells are real, bool
        [documents, 1, side, side], and the chosen cells, [chosen] numbers among all of them -> [chosen, out]."""
        half_real = [half(r.float()) > 0 for r in real]
        quarter_real = [half(r.float()) > 0 for r in half_real]
        whole = self.inc(maps, real)
        halved = self.down1([half(m) for m in whole], half_real)
        quartered = self.down2([half(m) for m in halved], quarter_real)
        halved = self.up1([beside(s, m) for s, m in zip(halved, quartered, strict=True)], half_real)
        whole = self.up2([beside(s, m) for s, m in zip(whole, halved, strict=True)], real)
        cells = torch.cat([m.permute(0, 2, 3, 1).flatten(0, 2) for m in whole]).index_select(0, chosen)
        return linear(cells, self.outc.weight.flatten(1), self.outc.bias)


def half(maps: Tensor) -> Tensor:
    """The largest of each 2 x 2 cells; the last row and column of an odd side are lost."""
    return max_pool2d(maps, 2)


def beside(skip: Tensor, maps: Tensor) -> Tensor:
    """`skip` and behind it, in the channels, `maps` at twice their side: interpolated with the corners on the corners,
    and with zeros at the right and below where the skip's side is odd."""
    doubled = interpolate(maps, scale_factor=2, mode="bilinear", align_corners=True)
    missing = skip.shape[-1] - doubled.shape[-1]
    return torch.cat([skip, pad(doubled, (0, missing, 0, missing))], dim=1)
