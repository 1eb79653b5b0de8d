"""The settings of a generator's training; the defaults are those of VaeDiff-DocRE's published code."""

from pydantic import Field

from docre.config.schema import Section
from docre.errors import DocreError


class GeneratorSettings(Section):
    """The settings of a generator's training."""

    output: str = Field(min_length=1)
    """Folder that the run writes to."""
    base: str
    """The base model whose features are learned: a checkpoint, or the folder of a run."""
    train: str
    """File of the training documents."""
    reader: str = "docred"
    """Format of this file."""
    seed: int = Field(66, ge=0, lt=2**31)
    """Seed of all random numbers."""
    epochs: int = Field(100, ge=1, le=10**6)
    """Passes over the training documents."""
    batch_size: int = Field(8, ge=1)
    """Documents per step."""
    latent_size: int = Field(384, ge=1, le=2**16)
    """Size of a latent."""
    width: int = Field(256, ge=4, le=2**16, multiple_of=2)
    """Size of the hidden states of the prior, a multiple of `heads`."""
    depth: int = Field(6, ge=1, le=2**8)
    """Number of its blocks."""
    heads: int = Field(4, ge=1, le=2**16)
    """Attention heads of each."""
    diffusion_steps: int = Field(50, ge=2, le=2**12)
    """Steps from a latent to noise."""
    vae_lr: float = Field(2e-4, ge=0)
    """First learning rate of the VAE ..."""
    last_vae_lr: float = Field(2e-5, ge=0)
    """... and its last one, to which it falls as half a cosine (see cosine_by_epoch)."""
    prior_lr: float = Field(5e-5, ge=0)
    """Learning rate of the prior."""
    warmup_epochs: int = Field(10, ge=0)
    """First epochs, in which the prior is not trained and the divergence has the weight warmup_divergence."""
    divergence: float = Field(1e-3, ge=0)
    """Weight of the divergence beside the reconstruction in the loss of the VAE."""
    warmup_divergence: float = Field(1e-6, ge=0)
    """The same in the first epochs."""
    unlabeled: float = Field(0.2, ge=0, le=1)
    """Probability with which the prior is trained on a batch without its labels."""
    clip: float = Field(1.0, gt=0)
    """Maximum norm of the gradient of each of the two networks."""
    weight_decay: float = Field(0.01, ge=0)
    """AdamW's weight decay."""
    cosine_by_epoch: bool = False
    """Repaired: the VAE's learning rate falls once, over the epochs. As published it takes the step of an epoch in each
    batch, and so falls and rises again and again."""
    clear_gradients: bool = False
    """Repaired: the VAE's gradients are cleared before each step. As published they are not, so that each step adds its
    own to the clipped sum of all before."""
    save_every: int | None = Field(None, ge=1)
    """Steps between saved training states; by default one is saved at the end of each epoch only."""

    def check(self) -> None:
        """Raises DocreError for settings that do not go together."""
        if self.width % self.heads:
            raise DocreError(f"generator.width: expected a multiple of heads {self.heads}, got {self.width}")
        if self.warmup_epochs >= self.epochs:
            raise DocreError(
                f"generator.warmup_epochs: {self.warmup_epochs} of {self.epochs} epochs, so that the prior would never "
                "be trained"
            )
