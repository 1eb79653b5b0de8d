"""The diffusion of VaeDiff-DocRE: its schedule, its loss, and sampling."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from docre.models.generator.prior import Prior


@dataclass(frozen=True)
class Draw:
    """The random numbers of one loss of the prior.

    t:                [pairs] the step of each pair.
    noise:            [pairs, Z] the noise of each latent.
    self_conditioned: whether D is told a first prediction of its own.
    unlabeled:        whether the first call of D is without labels, and whether the second is.
    """

    t: Tensor
    noise: Tensor
    self_conditioned: bool = False
    unlabeled: tuple[bool, bool] = (False, False)


class Diffusion(nn.Module):
    """Gaussian diffusion of latents in T steps, with the cosine schedule of Nichol and Dhariwal (2021):

        alpha-bar_t = prod_{i <= t} (1 - beta_i),   x_t = sqrt(alpha-bar_t) z + sqrt(1 - alpha-bar_t) noise

    beta_i = min(0.999, 1 - c((i + 1) / T) / c(i / T)), c(u) = cos^2(pi/2 (u + 0.008) / 1.008). What is predicted is z.

    signal:    alpha-bar by t, [T].
    of_latent: coefficients of the predicted z in the posterior mean of x_{t-1}, [T] ...
    of_noisy:  ... and of x_t.
    variance:  of the noise that sampling adds in each step, beta_t, [T]; none is added at t = 0.
    """

    signal: Tensor
    of_latent: Tensor
    of_noisy: Tensor
    variance: Tensor

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        betas = [min(0.999, 1 - cosine_schedule((i + 1) / steps) / cosine_schedule(i / steps)) for i in range(steps)]
        beta = torch.tensor(betas, dtype=torch.float64)
        signal = (1 - beta).cumprod(0)
        before = torch.cat([torch.ones(1, dtype=torch.float64), signal[:-1]])
        tables = {
            "signal": signal,
            "of_latent": beta * before.sqrt() / (1 - signal),
            "of_noisy": (1 - beta).sqrt() * (1 - before) / (1 - signal),
            "variance": torch.cat([torch.zeros(1, dtype=torch.float64), beta[1:]]),
        }
        for name, table in tables.items():
            self.register_buffer(name, table.float(), persistent=False)

    @property
    def constant(self) -> float:
        """1/2 (1 + ln 2 pi (1 - alpha-bar_0)): what each dimension adds to the divergence beside the loss."""
        return 0.5 * (1 + math.log(2 * math.pi * (1 - float(self.signal[0]))))

    def draw(self, latent: Tensor, unlabeled: float = 0.0) -> Draw:
        """Random numbers for `losses` of these latents [pairs, Z]: t uniform for each pair; self-conditioning with
        probability 1/2, and each call of D without labels with probability `unlabeled`, both for the whole batch."""
        t = torch.randint(self.steps, (len(latent),), device=latent.device)
        coins = torch.rand(3).tolist()
        return Draw(t, torch.randn_like(latent), coins[0] < 0.5, (coins[1] < unlabeled, coins[2] < unlabeled))

    def noisy(self, latent: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t of z and noise [pairs, Z] at t [pairs]."""
        signal = self.signal[t, None]
        return signal.sqrt() * latent + (1 - signal).sqrt() * noise

    def losses(self, prior: Prior, latent: Tensor, labels: Tensor, draw: Draw) -> Tensor:
        """The mean over the dimensions of (z - x0)^2, [pairs]. With self-conditioning D is told its own prediction
        without, through which no gradient passes."""
        noisy = self.noisy(latent, draw.t, draw.noise)
        given = [None if unlabeled else labels for unlabeled in draw.unlabeled]
        earlier = None
        if draw.self_conditioned:
            with torch.no_grad():
                earlier = prior(noisy, draw.t, None, given[0])
        return (latent - prior(noisy, draw.t, earlier, given[1])).square().mean(1)

    def sample(self, prior: Prior, labels: Tensor, noise: Tensor, guidance: float, every_step: bool) -> Tensor:
        """Latents [pairs, Z] of pairs with the relations `labels`, bool [pairs, R]: for t = T - 1, ..., 0

            x0 = (1 + guidance) D(x_t, t, x0', y) - guidance D(x_t, t, x0', none),   x0' the previous x0
            x_{t-1} = of_latent_t x0 + of_noisy_t x_t + sqrt(variance_t) noise_t

        noise:      [1 + T, pairs, Z]: x_T, then that of each step.
        every_step: use the labels in every step. As published they are lost after the first, where both calls of D are
                    then without labels.
        """
        x, *steps = noise
        x0 = None
        for i, (t, noise_t) in enumerate(zip(reversed(range(self.steps)), steps, strict=True)):
            time = torch.full((1,), t, device=x.device)
            free = prior(x, time, x0, None)
            if every_step or i == 0:
                x0 = (1 + guidance) * prior(x, time, x0, labels) - guidance * free
            elif prior.training:
                x0 = (1 + guidance) * prior(x, time, x0, None) - guidance * free
            else:  # without dropout both calls are the same
                x0 = free
            x = self.of_latent[t] * x0 + self.of_noisy[t] * x + self.variance[t].sqrt() * noise_t
        return x


def cosine_schedule(u: float) -> float:
    """The cosine schedule: alpha-bar at the share u of all steps, but for a constant factor."""
    return math.cos(math.pi / 2 * (u + 0.008) / 1.008) ** 2
