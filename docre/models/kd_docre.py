"""KD-DocRE: axial attention over the map of all entity pairs (Tan et al. 2022)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar
from zlib import crc32

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import pad

from docre.errors import DocreError
from docre.models.axial import Axial, Maps
from docre.models.base import MODELS, NOTHING, Model
from docre.models.bilinear import BlockSize, GroupedBilinear, HeadSize
from docre.models.encoder import Encoder
from docre.models.entity_map import cell_entities, extended, pair_cells
from docre.models.extractor import extract
from docre.models.pooling import pool_attention, pool_contexts, pool_entities, pool_weights, with_all_cells
from docre.tensors import Batch, ModelOutput, moved


@MODELS.register("kd_docre")
class KDDocRE(Model):
    """A feature F of each cell of the entity map, the diagonal included, 6 layers of axial attention, and a classifier:

        z_h = tanh(W_h [e_h; c] + b_h), z_t = tanh(W_t [e_t; c] + b_t)
        F = P (grouped outer product of z_h and z_t)
        X = F; six times X <- LN(W (X + Col(X) + Row(X)) + b); logits = W_c (X + F) + b_c

    Published, and the default: the map has 42 rows and columns (as many as the entities, if they are more), and those
    beyond the entities are attended to like any other. Their F is 0 in training, but P (tanh b_h, tanh b_t) in
    evaluation. They are all equal, so one row and one column stand for them. The loss is also a mean over the diagonal,
    whose logits are 0.

    Parameters: head_size, the size of z (published: 1024); block_size, numbers in a group (published: 64);
    axial_layers and axial_heads; map_size, the side of the map (published: 42); drop_prob, the share of NA cells whose
    F is 0 in training, always the same of a document (published: 0).
    Repairs: padded: false leaves out all cells beyond the entities, so that training and evaluation are the same;
    diagonal_in_loss: false leaves the diagonal out of the loss, which only scales its gradient by n / (n - 1).
    Wanted: "representation" [pairs, hidden], X + F.
    Memory grows with the cells, n * n for n entities, whichever pairs are candidates.
    Reference: Tan et al. 2022, "Document-Level Relation Extraction with Adaptive Focal Loss and Knowledge
    Distillation" (Findings of ACL), sections 3.1 to 3.3.
    """

    reference = "Tan et al. 2022 (Findings of ACL), KD-DocRE"
    pairs_interact = True
    offers = frozenset({"attention", "representation"})
    # published: the learning rate of the encoder
    rate_groups: ClassVar[Mapping[str, tuple[str, ...]]] = {"axial": ("axial",)}
    published_names: ClassVar[Mapping[str, str]] = {
        r"^axial_transformer\.axial_attns\.(\d+)\.axial_attentions\.0\.fn\.": r"axial.\1.column.",
        r"^axial_transformer\.axial_attns\.(\d+)\.axial_attentions\.1\.fn\.": r"axial.\1.row.",
        r"^axial_transformer\.ffns\.(\d+)\.": r"axial.\1.linear.",
        r"^axial_transformer\.lns\.(\d+)\.": r"axial.\1.norm.",
        r"^bilinear\..*": "",  # never used
    }

    def __init__(
        self,
        encoder: Encoder,
        num_outputs: int,
        head_size: HeadSize = 1024,
        block_size: BlockSize = 64,
        axial_layers: Annotated[int, Field(ge=0, le=2**8)] = 6,
        axial_heads: Annotated[int, Field(gt=0, le=2**10)] = 8,
        map_size: Annotated[int, Field(ge=0, le=2**16)] = 42,
        drop_prob: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        padded: bool = True,
        diagonal_in_loss: bool = True,
    ) -> None:
        super().__init__()
        hidden = encoder.hidden_size
        if hidden % axial_heads:
            raise DocreError(f"model.axial_heads: expected a divisor of the encoder's size {hidden}, got {axial_heads}")
        self.encoder = encoder
        self.block_size = block_size
        self.map_size = map_size if padded else 0
        self.drop_prob = drop_prob
        self.diagonal_in_loss = diagonal_in_loss
        self.head_extractor = nn.Linear(2 * hidden, head_size)
        self.tail_extractor = nn.Linear(2 * hidden, head_size)
        self.projection = GroupedBilinear(head_size, block_size, hidden, bias=False)
        self.axial = Axial(hidden, axial_heads, axial_layers)
        self.classifier = nn.Linear(hidden, num_outputs)

    def loss_rows(self, pairs: int, entities: int) -> int:
        return pairs + entities * self.diagonal_in_loss

    def forward(self, batch: Batch, wanted: frozenset[str] = NOTHING) -> ModelOutput:
        tokens, attention = self.encoder(batch)
        whole, cell_context = with_all_cells(batch)
        epsilon = 1e-10 / attention.shape[1]  # published: 1e-10 beside the sum over heads; here it is their mean
        with torch.autocast(tokens.device.type, enabled=False):
            rows = pool_attention(attention, batch)
            entities = pool_entities(tokens, batch)
            contexts = pool_contexts(tokens, rows, whole, epsilon)
            weights = pool_weights(rows, batch, epsilon) if "attention" in wanted else None
        features = self.features(entities, contexts, cell_context, batch)  # F of all cells, and of one beyond
        if self.training and self.drop_prob:
            features = features.masked_fill(pad(dropped_cells(batch, self.drop_prob), (0, 1))[:, None], 0)
        # the maps, each with a row and a column for all that lie beyond its entities
        counts = batch.entity_counts
        beyond = [max(0, self.map_size - n) if n else 0 for n in counts]
        sides = [n + bool(m) for n, m in zip(counts, beyond, strict=True)]
        places = torch.arange(len(features) - 1, device=features.device)
        features = features.index_select(0, extended(places, counts, sides, beyond=len(features) - 1))
        features = features + self.axial(features, Maps(sides, beyond))
        return self.classify(features.index_select(0, pair_cells(batch, sides)), weights, wanted)

    def features(self, entities: Tensor, contexts: Tensor, cell_context: Tensor, batch: Batch) -> Tensor:
        """F of all cells [cells + 1, hidden]; the last is that of the cells beyond the entities."""
        sides = []
        for layer, role in zip((self.head_extractor, self.tail_extractor), cell_entities(batch), strict=True):
            z = extract(layer, entities, role, contexts, cell_context)
            if not self.zero_beyond:
                z = torch.cat([z, layer.bias.tanh()[None].to(z.dtype)])
            sides.append(z.unflatten(1, (-1, self.block_size)))
        features: Tensor = self.projection(*sides)
        return pad(features, (0, 0, 0, 1)) if self.zero_beyond else features

    @property
    def zero_beyond(self) -> bool:
        """Whether the F of the cells beyond the entities is 0."""
        return self.training

    def classify(self, features: Tensor, attention: Tensor | None, wanted: frozenset[str]) -> ModelOutput:
        """The output for pairs with these representations [pairs, hidden], which as a product of a head side and a tail
        side is that of `features` and 1."""
        auxiliaries = {"representation": features} if "representation" in wanted else {}
        head, tail = features[:, None], features.new_ones(len(features), 1, 1)
        return ModelOutput(self.classifier(features), head, tail, attention, auxiliaries)


def dropped_cells(batch: Batch, share: float) -> Tensor:
    """Which cells of the maps are dropped, bool [cells]: about this share of those without a relation. They are drawn
    from the document's title, so they are the same in every epoch."""
    drawn = []
    for title, n in zip(batch.titles, batch.entity_counts, strict=True):
        generator = torch.Generator().manual_seed(crc32(title.encode(errors="surrogatepass")))
        drawn.append(torch.rand(n * n, generator=generator) < share)
    dropped = moved(torch.cat(drawn), batch.pair_head.device)
    if batch.labels is None:
        return dropped
    cells = pair_cells(batch, batch.entity_counts)  # all different
    return dropped & ~torch.zeros_like(dropped).index_copy(0, cells, batch.labels.any(1))
