"""VaeDiff-DocRE's augmentation: a VAE of pair features and a diffusion prior of its latents, given a pair's relations.

Features f are [pairs, hidden], latents z [pairs, Z], labels bool [pairs, relations]. What is random is passed in.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu

Blocks = nn.ModuleDict  # of the published names


class RMS(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return x / x.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-8) * self.gamma


class VAE(nn.Module):
    """`log_sigma` gives the log of the variance."""

    def __init__(self, hidden: int, width: int, latent: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            RMS(hidden), nn.Linear(hidden, width), nn.LeakyReLU(0.2),
            nn.Linear(width, width), RMS(width), nn.LeakyReLU(0.2), nn.Linear(width, latent),
        )  # fmt: skip
        self.mu = nn.Linear(latent, latent)
        self.log_sigma = nn.Linear(latent, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, width), nn.LeakyReLU(0.2), RMS(width),
            nn.Linear(width, width), nn.LeakyReLU(0.2), RMS(width), nn.Linear(width, 2 * hidden),
        )  # fmt: skip

    def encode(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """mu and lambda before they are clamped."""
        u = self.encoder(feature)
        return self.mu(u), self.log_sigma(u)

    def mean(self, z: Tensor) -> Tensor:
        """The decoder's mean, not clamped: an augmented feature."""
        return self.decoder(z).chunk(2, -1)[0]


def log_normal(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """ln N(x; mean, e^log_variance), number by number."""
    return -0.5 * (math.log(2 * math.pi) + log_variance + (x - mean).square() / log_variance.exp())


class Prior(nn.Module):
    """D(x_t, t, self-condition, labels), the clean latent that is predicted from a noisy one.

    As published it stays in training mode, so with dropout, while stage 3 samples from it; repaired: eval mode.
    """

    def __init__(self, latent: int, width: int, depth: int, num_classes: int, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.width = width
        self.heads = heads
        self.dropout = dropout
        self.init_self_cond = nn.Parameter(torch.zeros(1, latent))
        self.time_mlp = Blocks({"1": nn.Linear(width, 4 * width), "3": nn.Linear(4 * width, 4 * width)})
        self.time_pos_embed_mlp = Blocks({"1": nn.Linear(4 * width, width)})
        self.class_embedding = nn.Embedding(num_classes, width)
        self.class_embedding_mlp = nn.Linear(width, 4 * width)
        self.input_proj = nn.Linear(2 * latent, width)
        self.encoder = Blocks(
            {"layers": nn.ModuleList(block for _ in range(depth) for block in (one_token(width), gated(width)))}
        )
        self.norm = nn.LayerNorm(width)
        self.output_proj = nn.Linear(width, latent)

    def forward(self, x_t: Tensor, t: Tensor, self_condition: Tensor | None, labels: Tensor | None) -> Tensor:
        """t: [pairs]; self_condition: an earlier prediction, like x_t; labels None: unconditional."""
        i = torch.arange(self.width // 2).to(x_t)
        angles = t[:, None] * 10000 ** (-i / (self.width // 2 - 1))
        omega = self.time_mlp["3"](gelu(self.time_mlp["1"](torch.cat([angles.sin(), angles.cos()], dim=1))))
        if labels is not None:
            rows = [self.class_embedding.weight[1:][own].mean(0) for own in labels]
            omega = omega + self.class_embedding_mlp(torch.stack(rows))
        if self_condition is None:
            self_condition = self.init_self_cond.expand_as(x_t)
        x = self.input_proj(torch.cat([x_t, self_condition], dim=1)) + self.time_pos_embed_mlp["1"](gelu(omega))
        layers = self.encoder["layers"]
        for attention, feedforward in zip(layers[::2], layers[1::2], strict=True):
            x = x + self.attend_to_itself(attention["1"], attention["0"][0](x))
            before, after = feedforward["0"]
            a, b = feedforward["1"]["ff"]["0"]["proj"](before(x)).chunk(2, -1)
            g = after(feedforward["1"]["ff"]["3"](dropout(a * gelu(b), self.dropout, self.training)))
            scale, shift = feedforward["2"]["scale_shift"]["time_mlp"]["1"](gelu(omega)).chunk(2, -1)
            x = x + g * (1 + scale) + shift
        return self.output_proj(self.norm(x))

    def attend_to_itself(self, maps: nn.ModuleDict, x: Tensor) -> Tensor:
        """Self-attention over one token, whose only weight is 1 in every head: queries and keys have no effect."""
        q, k, v = (maps[name](x).unflatten(1, (self.heads, -1)) for name in ("to_q", "to_k", "to_v"))
        weight = (q * k).sum(2, keepdim=True).softmax(2)  # [pairs, heads, one key]
        return maps["to_out"]((dropout(weight, self.dropout, self.training) * v).flatten(1))


def one_token(width: int) -> nn.Module:
    maps = {name: nn.Linear(width, width, bias=False) for name in ("to_q", "to_k", "to_v", "to_out")}
    return Blocks({"0": nn.ModuleList([nn.LayerNorm(width)]), "1": Blocks(maps)})


def gated(width: int) -> nn.Module:
    inner = Blocks({"0": Blocks({"proj": nn.Linear(width, 8 * width)}), "3": nn.Linear(4 * width, width)})
    time = Blocks({"1": nn.Linear(4 * width, 2 * width)})
    return Blocks(
        {
            "0": nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)]),
            "1": Blocks({"ff": inner}),
            "2": Blocks({"scale_shift": Blocks({"time_mlp": time})}),
        }
    )


class Diffusion:
    """The cosine schedule of T steps, all of it by t, [T] in float64."""

    def __init__(self, steps: int = 50) -> None:
        def c(u: float) -> float:
            return math.cos(math.pi / 2 * (u + 0.008) / 1.008) ** 2

        self.steps = steps
        self.beta = torch.tensor(
            [min(0.999, 1 - c((i + 1) / steps) / c(i / steps)) for i in range(steps)], dtype=torch.float64
        )
        alpha = 1 - self.beta
        self.signal = alpha.cumprod(0)  # alpha-bar
        before = torch.cat([torch.ones(1, dtype=torch.float64), self.signal[:-1]])
        self.of_x0 = self.beta * before.sqrt() / (1 - self.signal)
        self.of_x_t = alpha.sqrt() * (1 - before) / (1 - self.signal)
        # "Fixed large"; the first is the posterior's variance at t = 1 and not used: t = 0 adds no noise.
        self.noise_variance = self.beta.clone()
        self.noise_variance[0] = self.beta[1] * (1 - before[1]) / (1 - self.signal[1])

    def noisy(self, z: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t."""
        return self.signal[t, None].sqrt() * z + (1 - self.signal[t, None]).sqrt() * noise

    def loss(
        self, prior: Prior, z: Tensor, t: Tensor, noise: Tensor, labels: Tensor | None, self_conditioned: bool
    ) -> Tensor:
        """l_diff of each pair, [pairs]. self_conditioned: D is asked once before, without a gradient."""
        x_t = self.noisy(z, t, noise)
        first = prior(x_t, t, None, labels).detach() if self_conditioned else None
        return (z - prior(x_t, t, first, labels)).square().mean(1)

    def sample(
        self,
        prior: Prior,
        labels: Tensor,
        start: Tensor,
        noise: Tensor,
        guidance: float = 0.1,
        every_step: bool = False,
    ) -> Tensor:
        """Latents of these labels from the noise `start` [pairs, Z] and that of the steps [T, pairs, Z], t downwards.

        As published the labels are lost after the first step. every_step: repaired.
        """
        x, x0 = start, None
        for i, t in enumerate(reversed(range(self.steps))):
            time = torch.full((len(x),), t)
            given = labels if every_step or i == 0 else None
            x0 = (1 + guidance) * prior(x, time, x0, given) - guidance * prior(x, time, x0, None)
            x = self.of_x0[t] * x0 + self.of_x_t[t] * x
            if t > 0:
                x = x + self.noise_variance[t].sqrt() * noise[i]
        return x


def vae_loss(
    vae: VAE, feature: Tensor, z: Tensor, diffusion_loss: Tensor, diffusion: Diffusion, beta: float
) -> tuple[Tensor, Tensor]:
    """The loss of a VAE step, and the sum over pairs of -ln N(f; decoder) in it."""
    mu, log_variance = (x.clamp(-5, 5) for x in vae.encode(feature))
    mean, spread = (x.clamp(-5, 5) for x in vae.decoder(z).chunk(2, -1))
    reconstruction = -log_normal(feature, mean, spread).sum()
    constant = 0.5 * (1 + math.log(2 * math.pi * (1 - diffusion.signal[0].item())))
    divergence = (log_normal(z, mu, log_variance) + diffusion_loss[:, None] + constant).sum()
    return (reconstruction + beta * divergence) / len(feature), reconstruction


def average_decay(update: int) -> float:
    """average <- decay * average + (1 - decay) * weights at this update of the prior, counted from 1. Up to the 12th
    the average is a copy of the weights before that."""
    return 0.0 if update < 12 else min(0.995, 1 - (update - 10) ** (-2 / 3))
