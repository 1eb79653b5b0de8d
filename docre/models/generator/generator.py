"""The generator as a whole: its losses, the features that it makes, and its file."""

from pathlib import Path
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from docre.core.files import read_json, write_json
from docre.core.manifests import check_folder, write_folder
from docre.errors import DocreError
from docre.models.architecture import check_shapes
from docre.models.generator.diffusion import Diffusion, Draw
from docre.models.generator.prior import Prior
from docre.models.generator.vae import VAE, log_normal
from docre.models.weights import read_weights, save_weights

SIZES, WEIGHTS = "sizes.json", "generator.safetensors"
GUIDANCE = 0.1  # how far sampling goes from what the prior predicts without labels beyond what it predicts with them

Size = Annotated[int, Field(gt=0, le=2**16)]


class Sizes(BaseModel):
    """The sizes of a generator: of a feature, of a latent, the number of relations; of the prior its width, the number
    of its blocks, the heads of each, and the number of diffusion steps. The defaults are published."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    hidden: Size
    relations: Size
    latent: Size = 384
    width: Size = 256
    depth: Annotated[int, Field(gt=0, le=2**8)] = 6
    heads: Size = 4
    steps: Annotated[int, Field(gt=1, le=2**12)] = 50


class Generator(nn.Module):
    """Makes features of pairs with given relations: a VAE whose latents have a diffusion prior given the relations.

    Reference: Tran et al. 2025, "VaeDiff-DocRE: End-to-end Data Augmentation Framework for Document-level Relation
    Extraction" (COLING).
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.vae = VAE(sizes.hidden, sizes.latent)
        self.prior = Prior(sizes.latent, sizes.relations, sizes.width, sizes.depth, sizes.heads)
        self.diffusion = Diffusion(sizes.steps)

    def vae_loss(
        self, feature: Tensor, labels: Tensor, noise: Tensor, draw: Draw, weight: float
    ) -> tuple[Tensor, Tensor]:
        """The loss of the VAE, a mean over pairs, and the latents z = mu + e^(lambda/2) noise [pairs, Z]:

            L = 1/B sum_pairs [-ln p(f | z) + weight sum_Z (ln q(z | f) + l_diff(z) + constant)]

        with l_diff the loss of the prior. feature [pairs, d], labels bool [pairs, R], noise [pairs, Z]; draw: the
        random numbers of l_diff.
        """
        mean, log_variance = self.vae.encode(feature)
        latent = mean + (log_variance / 2).exp() * noise
        losses = self.diffusion.losses(self.prior, latent, labels, draw) + self.diffusion.constant
        divergence = log_normal(latent, mean, log_variance).sum(1) + self.sizes.latent * losses
        return (self.vae.reconstruction(feature, latent) + weight * divergence).mean(), latent

    def prior_loss(self, latent: Tensor, labels: Tensor, draw: Draw) -> Tensor:
        """The loss of the prior, the mean of l_diff over the pairs; latent [pairs, Z], labels bool [pairs, R]."""
        return self.diffusion.losses(self.prior, latent.detach(), labels, draw).mean()

    @torch.no_grad()
    def forward(self, labels: Tensor, every_step: bool) -> Tensor:
        """Random features [pairs, d] of pairs with these relations, bool [pairs, R]; see `Diffusion.sample`."""
        with torch.autocast(labels.device.type, enabled=False):
            shape = 1 + self.sizes.steps, len(labels), self.sizes.latent
            noise = torch.randn(shape, device=labels.device, dtype=self.prior.no_earlier.dtype)
            return self.vae.decode(self.diffusion.sample(self.prior, labels, noise, GUIDANCE, every_step))

    def save(self, folder: Path) -> None:
        """Write it into a folder, atomically."""

        def fill(temporary: Path) -> None:
            write_json(temporary / SIZES, self.sizes.model_dump())
            save_weights(self, temporary / WEIGHTS)

        write_folder(folder, fill)

    @classmethod
    def load(cls, folder: Path) -> "Generator":
        """Read what `save` wrote, in evaluation mode. Raises DocreError if it is not whole or does not fit."""
        check_folder(folder)
        try:
            sizes = Sizes.model_validate(read_json(folder / SIZES))
        except ValidationError as error:
            raise DocreError(f"{folder / SIZES}: not the sizes of a generator: {error.errors()[0]['msg']}") from None
        weights = read_weights(folder / WEIGHTS)
        with torch.device("meta"):
            untrained = cls(sizes)
        check_shapes(untrained, {name: tuple(tensor.shape) for name, tensor in weights.items()}, folder / WEIGHTS)
        generator = cls(sizes)
        generator.load_state_dict(weights)
        return generator.eval()
