"""DocuNet: a U-Net over the map of all entity pairs (Zhang et al. 2021)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import pad

from docre.models.base import MODELS, NOTHING, Model
from docre.models.bilinear import BlockSize, GroupedBilinear, HeadSize
from docre.models.encoder import Encoder
from docre.models.entity_map import pair_cells
from docre.models.extractor import extract
from docre.models.pooling import pool_attention, pool_contexts, pool_entities, pool_weights, with_all_cells
from docre.models.unet import NormOver, UNet
from docre.tensors import Batch, ModelOutput, integers_on

Padding = Literal["last_entity", "zeros", "cut"]


@MODELS.register("docunet")
class DocuNet(Model):
    """A U-Net over the map of contexts, seen as an image, and a grouped bilinear classifier:

        X = W c + b for each cell, Y = U-Net(X), q = Y at the pair's cell
        z_h = tanh(W_h [e_h; q] + b_h), z_t = tanh(W_t [e_t; q] + b_t)
        logits = grouped bilinear (z_h, z_t)

    Published, and the default: the map has 42 rows and columns (as many as the entities, if they are more); those
    beyond the entities repeat the last entity; the batch norms take their statistics of all cells of a batch's
    documents, so that in training documents depend on each other.

    Parameters: head_size, the size of z (published: 768); block_size, numbers in a group (published: 64); channels of X
    (published: 3); map_features, the size of q (published: 256); width, channels after the first convolution
    (published: 256); map_size, the side of the map (published: 42, for CDR and GDA 35).
    Repairs: padding: zeros (the cells beyond the entities have the context 0) or cut (likewise, but the side is that of
    the entities, rounded up to a multiple of 4) instead of last_entity; norm_over: real_cells (the statistics of the
    entities' cells) instead of all_cells.
    Memory grows with the cells of the maps, whichever pairs are candidates.
    Reference: Zhang et al. 2021, "Document-level Relation Extraction as Semantic Segmentation" (IJCAI), section 3.
    """

    reference = "Zhang et al. 2021 (IJCAI), DocuNet"
    pairs_interact = True
    offers = frozenset({"attention"})
    rate_groups: ClassVar[Mapping[str, tuple[str, ...]]] = {"map": ("map_input", "unet")}  # published: 3e-4 to 5e-4
    published_names: ClassVar[Mapping[str, str]] = {
        r"^liner\.": "map_input.",
        r"^segmentation_net\.(\w+)\.(conv|maxpool_conv\.1)\.double_conv\.": r"unet.\1.",
        r"^segmentation_net\.outc\.conv\.": "unet.outc.",
    }

    def __init__(
        self,
        encoder: Encoder,
        num_outputs: int,
        head_size: HeadSize = 768,
        block_size: BlockSize = 64,
        channels: Annotated[int, Field(gt=0, le=2**12)] = 3,
        map_features: Annotated[int, Field(gt=0, le=2**16)] = 256,
        width: Annotated[int, Field(ge=2, le=2**12, multiple_of=2)] = 256,
        map_size: Annotated[int, Field(ge=4, le=2**12)] = 42,
        padding: Padding = "last_entity",
        norm_over: NormOver = "all_cells",
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.block_size = block_size
        self.map_size = map_size
        self.padding = padding
        self.map_input = nn.Linear(encoder.hidden_size, channels)
        self.unet = UNet(channels, map_features, width, norm_over)
        self.head_extractor = nn.Linear(encoder.hidden_size + map_features, head_size)
        self.tail_extractor = nn.Linear(encoder.hidden_size + map_features, head_size)
        self.bilinear = GroupedBilinear(head_size, block_size, num_outputs)

    def forward(self, batch: Batch, wanted: frozenset[str] = NOTHING) -> ModelOutput:
        tokens, attention = self.encoder(batch)
        whole, cell_context = with_all_cells(batch)
        with torch.autocast(tokens.device.type, enabled=False):
            rows = pool_attention(attention, batch)
            entities = pool_entities(tokens, batch)
            contexts = pool_contexts(tokens, rows, whole)
            weights = pool_weights(rows, batch) if "attention" in wanted else None
        features = self.map_features(contexts, cell_context, batch)
        head, tail = (
            extract(layer, entities, role, features).unflatten(1, (-1, self.block_size))
            for layer, role in ((self.head_extractor, batch.pair_head), (self.tail_extractor, batch.pair_tail))
        )
        return ModelOutput(self.bilinear(head, tail), head, tail, weights)

    def map_features(self, contexts: Tensor, cell_context: Tensor, batch: Batch) -> Tensor:
        """q of each pair [pairs, map_features], from the contexts of all cells."""
        counts = batch.entity_counts
        sides = [self.side(n) for n in counts]
        values = self.map_input(pad(contexts, (0, 0, 0, 1)))  # X of each context, and at last of c = 0
        squares = cell_context.split([n * n for n in counts])
        order: list[int] = []
        maps, real = [], []
        for side in sorted(set(sides)):
            of_side = [d for d, s in enumerate(sides) if s == side]
            order += of_side
            cells = torch.stack([self.extend(squares[d], counts[d], side, len(contexts)) for d in of_side])
            maps.append(values[cells].permute(0, 3, 1, 2))  # [documents, channels, side, side]
            entities = integers_on(cells.device, [counts[d] for d in of_side])
            inside = torch.arange(side, device=cells.device) < entities[:, None]
            real.append((inside[:, :, None] & inside[:, None])[:, None])
        return self.unet(maps, real, pair_cells(batch, sides, order))

    def side(self, entities: int) -> int:
        """The side of a document's map."""
        return max(4, -(-entities // 4) * 4) if self.padding == "cut" else max(self.map_size, entities)

    def extend(self, cells: Tensor, entities: int, side: int, nothing: int) -> Tensor:
        """The map [side, side] of a document whose cells have these contexts. `nothing`: that of c = 0."""
        square = cells.view(entities, entities)
        if self.padding == "last_entity" and entities:
            line = torch.arange(side, device=cells.device).clamp(max=entities - 1)
            return square[line][:, line]
        return pad(square, (0, side - entities, 0, side - entities), value=nothing)
