"""VaeDiff-DocRE: KD-DocRE's axial model, trained with generated pairs (Tran et al. 2025)."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from docre.errors import DocreError
from docre.models.base import MODELS, NOTHING
from docre.models.bilinear import BlockSize, HeadSize
from docre.models.encoder import Encoder
from docre.models.generator import Generator
from docre.models.generator.generator import Sizes
from docre.models.kd_docre import KDDocRE
from docre.tensors import Batch, ModelOutput

COPIES = 2  # generated pairs for each pair with a relation
UNTRAINED = "untrained"
AUGMENTED = frozenset({"augmented_representation", "augmented_logits", "augmented_labels"})


@MODELS.register("vaediff")
class VaeDiff(KDDocRE):
    """KD-DocRE's model without a teacher. In training it can generate two further pairs for each pair with a relation:
    a representation f' that a generator makes for the same relations, and its logits:

        f = X + F, logits = W_c f + b_c, logits' = W_c f' + b_c

    Published in three stages: this model without a generator, with the loss `pmt_em` and the term `contrastive`; a
    generator of its representations (a stage of the kind `generator` in a recipe); and this model with the generator,
    and from epoch 6 on the terms `augmented` and `contrastive`. A checkpoint holds no generator: prediction has no use
    for one, and training reads it from its folder, also when it resumes.

    Parameters: those of `kd_docre` but drop_prob; generator, the folder of a generator's run, or "untrained" for random
    weights, which is what the published code takes (by default there is none). Repairs of the third stage:
    labels_at_every_step, where published sampling forgets the labels after its first step; eval_generator, which
    samples without dropout. Starting from the first stage (`training.initial_weights`) is a repair too: published, the
    model starts afresh, and the generator knows the representations of another one.
    With a generator, the cells beyond the entities are the same in training as in evaluation.
    Wanted: "representation" [pairs, hidden]; "augmented_representation" [2 m, hidden], "augmented_logits" [2 m,
    outputs] and "augmented_labels" [2 m, R] for the m pairs with a relation.
    Reference: Tran et al. 2025, "VaeDiff-DocRE: End-to-end Data Augmentation Framework for Document-level Relation
    Extraction" (COLING).
    """

    reference = "Tran et al. 2025 (COLING), VaeDiff-DocRE"

    def __init__(
        self,
        encoder: Encoder,
        num_outputs: int,
        head_size: HeadSize = 1024,
        block_size: BlockSize = 64,
        axial_layers: Annotated[int, Field(ge=0, le=2**8)] = 6,
        axial_heads: Annotated[int, Field(gt=0, le=2**10)] = 8,
        map_size: Annotated[int, Field(ge=0, le=2**16)] = 42,
        padded: bool = True,
        diagonal_in_loss: bool = True,
        generator: str | None = None,
        labels_at_every_step: bool = False,
        eval_generator: bool = False,
    ) -> None:
        sizes = {"head_size": head_size, "block_size": block_size, "map_size": map_size}
        axial = {"axial_layers": axial_layers, "axial_heads": axial_heads}
        super().__init__(encoder, num_outputs, **sizes, **axial, padded=padded, diagonal_in_loss=diagonal_in_loss)
        self.generator = generator
        self.offers = KDDocRE.offers if generator is None else KDDocRE.offers | AUGMENTED
        self.labels_at_every_step = labels_at_every_step
        self.eval_generator = eval_generator
        self._loaded: list[Generator] = []  # in a list, so that it is no part of the model's weights

    @property
    def zero_beyond(self) -> bool:
        return self.training and self.generator is None

    def forward(self, batch: Batch, wanted: frozenset[str] = NOTHING) -> ModelOutput:
        output = super().forward(batch, wanted)
        if not self.training or self.generator is None or batch.labels is None:
            return output
        generator = self.load_generator(batch.labels)  # in the first step, so that a mistake shows at once
        if AUGMENTED.isdisjoint(wanted):
            return output
        labels = batch.labels[batch.labels.any(1)].repeat(COPIES, 1)
        features = generator(labels, self.labels_at_every_step)
        augmented = {
            "augmented_representation": features,
            "augmented_logits": self.classifier(features),
            "augmented_labels": labels,
        }
        return replace(output, auxiliaries={**output.auxiliaries, **augmented})

    def load_generator(self, labels: Tensor) -> Generator:
        """The generator, on the device of the labels [pairs, R], read when it is asked for first.

        Raises DocreError if its folder has none, or one of another size.
        """
        if not self._loaded:
            # a run that resumes reads it again, and draws the same numbers
            with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
                self._loaded.append(self.read_generator(labels.shape[1]))
        generator = self._loaded[0].to(labels.device)
        return generator.train(not self.eval_generator)

    def read_generator(self, relations: int) -> Generator:
        """The generator of the config, for so many relations. Draws random numbers."""
        hidden = self.encoder.hidden_size
        if self.generator == UNTRAINED:
            torch.manual_seed(0)  # the same when a run resumes
            return Generator(Sizes(hidden=hidden, relations=relations))
        folder = Path(str(self.generator), "generator")
        generator = Generator.load(folder)
        for name, size in (("hidden", hidden), ("relations", relations)):
            own = getattr(generator.sizes, name)
            if own != size:
                raise DocreError(f"{folder}: a generator for {name} {own}, but this run has {size}")
        return generator
