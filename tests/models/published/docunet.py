"""DocuNet (Zhang et al. 2021, "Document-level Relation Extraction as Semantic Segmentation", IJCAI) the slow and
obviously right way: one document after another, its whole map laid out.

Written from the paper's formulas and what is known of the published code's behavior, with that code's weight names.
What it does by default is what was published; each repair is a switch:

padding    what stands in the cells of the map beyond the entities: "last_entity" repeats the last entity's contexts
           (published); "zeros" has contexts of zero; "cut" has them too, in a map of each document's own side, the
           number of its entities rounded up to a multiple of 4.
norm_over  which cells the batch norms take their statistics of in training: "all_cells" (published) or "real_cells",
           those that entities stand for. After a pooling a cell is real if one of those that it was pooled from is.
any_size   False (published): a document of more entities than the map's side, or without pairs, is an IndexError.
           True: the first gets a map of its own size, the second no logits.

`predictions` has one more: `na_takes_a_place`.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d, pad
from transformers import BertConfig

from tests.models.published.padded import Document, PaddedModel, grouped_product

Padding = Literal["last_entity", "zeros", "cut"]
NormOver = Literal["all_cells", "real_cells"]


@dataclass
class Steps:
    """What a forward pass computes. Lists hold one tensor for each document; N is the side of its map."""

    logits: Tensor  # [pairs of all documents, classes]
    contexts: list[Tensor]  # c [N, N, hidden], padding included
    input_map: list[Tensor]  # X [N, N, channels]
    unet: list[Tensor]  # Y [N, N, out]
    levels: dict[str, list[Tensor]]  # inside the U-Net, [channels, side, side] each
    context_at_pairs: list[Tensor] = field(default_factory=list)  # [pairs, hidden]
    unet_at_pairs: list[Tensor] = field(default_factory=list)  # q [pairs, out]
    head_input: list[Tensor] = field(default_factory=list)  # [e_h; q] [pairs, hidden + out]
    tail_input: list[Tensor] = field(default_factory=list)  # [e_t; q] [pairs, hidden + out]


class MapNorm(nn.BatchNorm2d):
    """Batch norm over the maps of all documents together, which may differ in size."""

    def __init__(self, channels: int, over: NormOver) -> None:
        super().__init__(channels, eps=1e-5, momentum=0.1)
        self.over = over

    def forward(self, maps: list[Tensor], real: list[Tensor]) -> list[Tensor]:
        """maps [channels, side, side] and which of their cells are real, bool [side, side]."""
        if self.over == "all_cells" and maps[0].numel() > len(self.weight) and len({m.shape for m in maps}) == 1:
            return list(super().forward(torch.stack(maps)))
        mean, variance = self.running_mean, self.running_var
        if self.training:
            everywhere = [torch.ones_like(r) for r in real]
            chosen = real if self.over == "real_cells" else everywhere
            cells = torch.cat([m[:, c] for m, c in zip(maps, chosen, strict=True)], dim=1)  # [channels, cells]
            mean, variance = cells.mean(1), cells.var(1, unbiased=False)
            with torch.no_grad():
                self.running_mean += self.momentum * (mean - self.running_mean)
                unbiased = variance * cells.shape[1] / max(1, cells.shape[1] - 1)
                self.running_var += self.momentum * (unbiased - self.running_var)
                self.num_batches_tracked += 1
        scale = self.weight / torch.sqrt(variance + self.eps)
        return [(m - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None] for m in maps]


class DoubleConvolution(nn.Module):
    def __init__(self, channels: int, out: int, norm_over: NormOver) -> None:
        super().__init__()
        self.double_conv = nn.ModuleList()
        for c in (channels, out):
            self.double_conv += [nn.Conv2d(c, out, 3, padding=1), MapNorm(out, norm_over), nn.ReLU()]

    def forward(self, maps: list[Tensor], real: list[Tensor]) -> list[Tensor]:
        for layer in self.double_conv:
            maps = layer(maps, real) if isinstance(layer, MapNorm) else [layer(m) for m in maps]
        return maps


class UNet(nn.Module):
    """Two poolings down and two bilinear up-samplings back; modules are nested as published checkpoints name them."""

    def __init__(self, channels: int, out: int, width: int, norm_over: NormOver) -> None:
        super().__init__()

        def double(a: int, b: int) -> DoubleConvolution:
            return DoubleConvolution(a, b, norm_over)

        self.inc = nn.ModuleDict({"conv": double(channels, width)})
        self.down1 = nn.ModuleDict({"maxpool_conv": nn.ModuleList([nn.MaxPool2d(2), double(width, 2 * width)])})
        self.down2 = nn.ModuleDict({"maxpool_conv": nn.ModuleList([nn.MaxPool2d(2), double(2 * width, 2 * width)])})
        self.up1 = nn.ModuleDict({"conv": double(4 * width, width)})
        self.up2 = nn.ModuleDict({"conv": double(2 * width, width // 2)})
        self.outc = nn.ModuleDict({"conv": nn.Conv2d(width // 2, out, 1)})

    def forward(self, maps: list[Tensor], real: list[Tensor]) -> dict[str, list[Tensor]]:
        """maps [channels, side, side] and which of their cells are real, bool [side, side] -> every level's maps;
        those of "out" are the result, [out, side, side]."""
        half_real = [half(r[None].float())[0] > 0 for r in real]
        quarter_real = [half(r[None].float())[0] > 0 for r in half_real]
        inc = self.inc["conv"](maps, real)
        down1 = self.down1["maxpool_conv"][1]([half(m) for m in inc], half_real)
        down2 = self.down2["maxpool_conv"][1]([half(m) for m in down1], quarter_real)
        up1 = self.up1["conv"]([beside(s, m) for s, m in zip(down1, down2, strict=True)], half_real)
        up2 = self.up2["conv"]([beside(s, m) for s, m in zip(inc, up1, strict=True)], real)
        out = [self.outc["conv"](m) for m in up2]
        return {"inc": inc, "down1": down1, "down2": down2, "up1": up1, "up2": up2, "out": out}


def half(map: Tensor) -> Tensor:
    """The largest of each 2 x 2 cells; the last row and column of an odd side are lost."""
    return max_pool2d(map, 2)


def beside(skip: Tensor, map: Tensor) -> Tensor:
    """`skip` and behind it, in the channels, `map` at twice its side: corners on corners, zeros at the right and below
    where the skip's side is odd."""
    doubled = interpolate(map[None], scale_factor=2, mode="bilinear", align_corners=True)[0]
    missing = skip.shape[-1] - doubled.shape[-1]
    return torch.cat([skip, pad(doubled, (0, missing, 0, missing))])


class DocuNet(PaddedModel):
    """side: that of the map, which published code calls max_height (42; 35 for CDR and GDA)."""

    def __init__(
        self,
        config: BertConfig,
        classes: int,
        *,
        emb_size: int = 768,
        block_size: int = 64,
        channels: int = 3,
        out: int = 256,
        width: int = 256,
        side: int = 42,
        padding: Padding = "last_entity",
        norm_over: NormOver = "all_cells",
        any_size: bool = False,
    ) -> None:
        super().__init__(config)
        hidden = config.hidden_size
        self.block_size, self.side, self.padding, self.any_size = block_size, side, padding, any_size
        self.liner = nn.Linear(hidden, channels)
        self.segmentation_net = UNet(channels, out, width, norm_over)
        self.head_extractor = nn.Linear(hidden + out, emb_size)
        self.tail_extractor = nn.Linear(hidden + out, emb_size)
        self.bilinear = nn.Linear(emb_size * block_size, classes)

    def forward(self, batch: list[Document]) -> Steps:
        entities = []
        contexts = []
        for document, (hidden, attention) in zip(batch, self.read(batch), strict=True):
            embeddings, attentions = self.entities(hidden, attention, document.mentions)
            entities.append(embeddings)
            contexts.append(entity_map(hidden, self.padded(attentions)))
        input_map = [self.liner(c) for c in contexts]
        real = [real_cells(len(e), len(x)) for e, x in zip(entities, input_map, strict=True)]
        levels = self.segmentation_net([x.permute(2, 0, 1) for x in input_map], real)
        steps = Steps(torch.empty(0), contexts, input_map, [y.permute(1, 2, 0) for y in levels["out"]], levels)
        for document, e, c, y in zip(batch, entities, contexts, steps.unet, strict=True):
            pairs = torch.tensor(document.pairs)
            if self.any_size:
                pairs = pairs.reshape(-1, 2).long()
            heads, tails = pairs[:, 0], pairs[:, 1]
            q = y[heads, tails]
            steps.context_at_pairs.append(c[heads, tails])
            steps.unet_at_pairs.append(q)
            steps.head_input.append(torch.cat([e[heads], q], dim=1))
            steps.tail_input.append(torch.cat([e[tails], q], dim=1))
        z_head = torch.tanh(self.head_extractor(torch.cat(steps.head_input)))
        z_tail = torch.tanh(self.tail_extractor(torch.cat(steps.tail_input)))
        steps.logits = self.bilinear(grouped_product(z_head, z_tail, self.block_size))
        return steps

    def padded(self, attentions: Tensor) -> Tensor:
        """The attention of what the N lines of the map stand for, from that of the entities, [entities, heads, tokens];
        zeros give contexts of zero."""
        n, side = len(attentions), self.side
        if self.padding == "cut":
            side = 4 * -(-n // 4)
        elif self.any_size:
            side = max(side, n)
        if self.padding == "last_entity":
            return attentions[[min(i, n - 1) for i in range(side)]]
        return pad(attentions[:side], (0, 0, 0, 0, 0, max(0, side - n)))


def entity_map(hidden: Tensor, attentions: Tensor) -> Tensor:
    """c [lines, lines, hidden]: the tokens that both lines' entities attend to; A is [lines, heads, tokens]."""
    lines = len(attentions)
    both = (attentions.repeat_interleave(lines, 0) * attentions.repeat(lines, 1, 1)).mean(1)  # [lines * lines, tokens]
    return (both @ hidden / (both.sum(1, keepdim=True) + 1e-5)).unflatten(0, (lines, lines))


def real_cells(entities: int, side: int) -> Tensor:
    """bool [side, side]: where a head and a tail stand for entities."""
    line = torch.arange(side) < entities
    return line[:, None] & line[None, :]


def predictions(logits: Tensor, places: int, na_takes_a_place: bool = True) -> Tensor:
    """Bool [pairs, classes]: the relations above 0 that are among the `places` highest columns, NA (column 0) where
    there is none. As published NA is one of those columns; the repair ranks relations only."""
    ranked = logits[:, 0 if na_takes_a_place else 1 :]
    chosen = (logits > 0) & (logits >= ranked.topk(min(places, ranked.shape[1]), dim=1).values[:, -1:])
    chosen[:, 0] = ~chosen[:, 1:].any(1)
    return chosen
