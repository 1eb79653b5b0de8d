"""TTM-RE: ATLOP's pairs read a learned memory before they are classified (Gao et al. 2024)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from docre.errors import DocreError
from docre.models.atlop import ATLOP
from docre.models.base import MODELS
from docre.models.bilinear import BlockSize, HeadSize
from docre.models.encoder import Encoder
from docre.models.memory import MemoryModule
from docre.tensors import Batch, ModelOutput

UNIT = r"mu_encoder\.token_turing_machine_unit"  # in the names of published weights


@MODELS.register("ttm_re")
class TTMRE(ATLOP):
    """ATLOP whose pairs read a learned memory and pass a small transformer:

        z_h = tanh(W_h [e_h; c] + b_h), z_t = tanh(W_h [e_t; c] + b_h)
        y_h, y_t = memory(z_h, z_t), logits = grouped bilinear (y_h, y_t)

    e and c are ATLOP's. As in the published code, and as published weights need it, both entities go through W_h, and
    the memory's transformer attends across pairs (`MemoryModule`): logits depend on which pairs are in the batch and,
    beyond 256 pairs, on their order. Each of these two slips has a repair. The memory is never written to: the
    published code computes a write and discards it, so it is left out here.

    Parameters: head_size, the size S of z (published: 768); block_size, numbers in a group (64); memory_size, tokens of
    the memory (200); layers of the transformer (4; the published code's default is 2) and its heads (8). Repairs:
    two_extractors, W_t of its own for the tail; within_pair, attention between the two tokens of each pair, so that
    pairs do not interact.
    Published loss: `ssr_pu` with prior_ratio 1, margin 1, factor 1. The memory learns at the encoder's rate
    (`training.group_lr: {memory: 3e-5}`).
    Reference: Gao et al. 2024, "TTM-RE: Memory-Augmented Document-Level Relation Extraction" (ACL).
    """

    reference = "Gao et al. 2024 (ACL), TTM-RE"
    rate_groups: ClassVar[Mapping[str, tuple[str, ...]]] = {"memory": ("memory",)}
    published_names: ClassVar[Mapping[str, str]] = {
        r"^mu_encoder\.memory_tokens$": "memory.tokens",
        rf"^{UNIT}\.token_learner_model\.layernorm\.": "memory.summary.norm.",
        rf"^{UNIT}\.token_learner_model\.mlp1\.linear_1\.": "memory.summary.score.0.",
        rf"^{UNIT}\.token_learner_model\.mlp1\.linear_2\.": "memory.summary.score.2.",
        rf"^{UNIT}\.vit_encoder\.": "memory.transformer.",
        rf"^{UNIT}\.token_add_erase_write\..*": "",  # without effect
    }

    def __init__(
        self,
        encoder: Encoder,
        num_outputs: int,
        head_size: HeadSize = 768,
        block_size: BlockSize = 64,
        memory_size: Annotated[int, Field(gt=0, le=2**16)] = 200,
        layers: Annotated[int, Field(gt=0, le=2**6)] = 4,
        heads: Annotated[int, Field(gt=0, le=2**10)] = 8,
        two_extractors: bool = False,
        within_pair: bool = False,
    ) -> None:
        super().__init__(encoder, num_outputs, head_size, block_size)
        if head_size % heads:
            raise DocreError(f"model.head_size: expected a multiple of heads {heads}, got {head_size}")
        if not two_extractors:
            del self.tail_extractor
            self.published_names = {**self.published_names, r"^tail_extractor\..*": ""}  # type: ignore[misc]
        self.two_extractors = two_extractors
        self.pairs_interact = not within_pair
        self.memory = MemoryModule(head_size, memory_size, layers, heads, within_pair)

    def classify(self, entities: Tensor, contexts: Tensor, batch: Batch) -> ModelOutput:
        tail_extractor = self.tail_extractor if self.two_extractors else self.head_extractor
        head = self._extract(self.head_extractor, entities, contexts, batch.pair_head, batch)
        tail = self._extract(tail_extractor, entities, contexts, batch.pair_tail, batch)
        head, tail = (y.unflatten(1, (-1, self.block_size)) for y in self.memory(head.flatten(1), tail.flatten(1)))
        return ModelOutput(self.bilinear(head, tail), head, tail)
