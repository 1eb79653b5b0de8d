"""The variational autoencoder of pair features in VaeDiff-DocRE."""

import math

from torch import Tensor, nn

from docre.models.products import Linear

BOUND = 5.0  # means and log variances are clamped to [-BOUND, BOUND]
SLOPE = 0.2  # of LeakyReLU for negative numbers


class VAE(nn.Module):
    """q(z | f) = N(mu, e^lambda) and p(f | z) = N(m, e^s), with diagonal variances.

    Encoder: RMS, d -> d/4, LeakyReLU, d/4 -> d/4, RMS, LeakyReLU, d/4 -> Z; mu and lambda are linear maps Z -> Z of it.
    Decoder: Z -> d/4, LeakyReLU, RMS, d/4 -> d/4, LeakyReLU, RMS, d/4 -> [m; s].

    hidden: d, the size of a feature f.
    latent: Z, the size of a latent z.
    """

    def __init__(self, hidden: int, latent: int) -> None:
        super().__init__()
        width = hidden // 4
        self.encoder = nn.Sequential(
            rms(hidden), Linear(hidden, width), nn.LeakyReLU(SLOPE),
            Linear(width, width), rms(width), nn.LeakyReLU(SLOPE), Linear(width, latent),
        )  # fmt: skip
        self.mean = Linear(latent, latent)
        self.log_variance = Linear(latent, latent)
        self.decoder = nn.Sequential(
            Linear(latent, width), nn.LeakyReLU(SLOPE), rms(width),
            Linear(width, width), nn.LeakyReLU(SLOPE), rms(width), Linear(width, 2 * hidden),
        )  # fmt: skip

    def encode(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """f [pairs, d] -> mu and lambda [pairs, Z], clamped."""
        encoded = self.encoder(feature)
        return self.mean(encoded).clamp(-BOUND, BOUND), self.log_variance(encoded).clamp(-BOUND, BOUND)

    def reconstruction(self, feature: Tensor, latent: Tensor) -> Tensor:
        """-ln p(f | z) [pairs] of f [pairs, d] and z [pairs, Z], with the decoder's output clamped."""
        mean, log_variance = self.decoder(latent).clamp(-BOUND, BOUND).chunk(2, dim=1)
        return -log_normal(feature, mean, log_variance).sum(1)

    def decode(self, latent: Tensor) -> Tensor:
        """z [pairs, Z] -> the mean of f [pairs, d], not clamped: a generated feature."""
        mean: Tensor = self.decoder(latent).chunk(2, dim=1)[0]
        return mean


def rms(size: int) -> nn.RMSNorm:
    """x / sqrt(mean x^2) * gamma. (Published: / max(sqrt(mean x^2), 1e-8), the same but for vectors that short.)"""
    return nn.RMSNorm(size, eps=1e-16)


def log_normal(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """ln N(x; mean, e^log_variance), number by number."""
    squares = (x - mean).square() / log_variance.exp()
    return -0.5 * (math.log(2 * math.pi) + log_variance + squares)
