"""One training step of a generator: first the VAE, then the prior, each with an optimizer of its own."""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from docre.models.generator import Generator
from docre.training.generator.settings import GeneratorSettings
from docre.training.snapshot import optimizer_tensors, restore_optimizer, with_prefix, without_prefix
from docre.training.state import State, random_state, set_random_state

COPIED = 12  # updates of the prior before which its average is a copy of it


class GeneratorTrainer:
    """A generator in training, with its optimizers and the moving average of its prior.

    generator: is trained in place.
    average:   the average of the prior, which is what samples are drawn with later.
    steps:     training steps so far; updates: how many of them trained the prior.
    """

    def __init__(self, generator: Generator, settings: GeneratorSettings) -> None:
        self.generator = generator.train()
        self.settings = settings
        self.average = copy.deepcopy(generator.prior)
        self.vae = list(generator.vae.parameters())
        self.prior = list(generator.prior.parameters())
        decay = settings.weight_decay
        self.vae_optimizer = AdamW(self.vae, lr=settings.vae_lr, weight_decay=decay)
        self.prior_optimizer = AdamW(self.prior, lr=settings.prior_lr, weight_decay=decay)
        self.steps = self.updates = 0

    def step(self, feature: Tensor, labels: Tensor, epoch: int) -> dict[str, Tensor]:
        """Train on a batch of pairs in an epoch (from 0): feature [pairs, hidden], labels bool [pairs, R]. Returns the
        losses of the networks that were trained, by name."""
        settings, generator = self.settings, self.generator
        warmup = epoch < settings.warmup_epochs
        for group in self.vae_optimizer.param_groups:
            group["lr"] = vae_rate(settings, self.steps, epoch)
        self.steps += 1
        noise = torch.randn(len(feature), settings.latent_size, device=feature.device)
        weight = settings.warmup_divergence if warmup else settings.divergence
        loss, latent = generator.vae_loss(feature, labels, noise, generator.diffusion.draw(noise), weight)
        if settings.clear_gradients:
            self.vae_optimizer.zero_grad()
        loss.backward(inputs=self.vae)
        clip_grad_norm_(self.vae, settings.clip)
        self.vae_optimizer.step()
        losses = {"vae": loss.detach()}
        if not warmup:
            loss = generator.prior_loss(latent, labels, generator.diffusion.draw(noise, settings.unlabeled))
            self.prior_optimizer.zero_grad()
            loss.backward()
            clip_grad_norm_(self.prior, settings.clip)
            self.prior_optimizer.step()
            self.updates += 1
            update_average(self.average, generator.prior, self.updates)
            losses["prior"] = loss.detach()
        return losses

    def result(self) -> Generator:
        """The trained generator: the VAE, and the average of the prior."""
        made = copy.deepcopy(self.generator)
        made.prior = copy.deepcopy(self.average)
        return made.eval()

    def capture(self) -> State:
        """Everything needed to go on exactly; the VAE's gradients too, where they are not cleared."""
        gradients = {str(i): p.grad for i, p in enumerate(self.vae) if p.grad is not None}
        random = random_state(self.vae[0].device)
        tensors = {
            **with_prefix("generator", self.generator.state_dict()),
            **with_prefix("average", self.average.state_dict()),
            **with_prefix("gradient", gradients),
            **with_prefix("vae", optimizer_tensors(self.vae_optimizer)),
            **with_prefix("prior", optimizer_tensors(self.prior_optimizer)),
            **with_prefix("random", random.tensors),
        }
        copies = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
        return State(copies, {"steps": self.steps, "updates": self.updates, "random": random.values})

    def restore(self, state: State) -> None:
        """Go on from what `capture` returned."""
        device = self.vae[0].device
        self.generator.load_state_dict(without_prefix("generator", state.tensors))
        self.average.load_state_dict(without_prefix("average", state.tensors))
        for i, gradient in without_prefix("gradient", state.tensors).items():
            self.vae[int(i)].grad = gradient.to(device)
        restore_optimizer(self.vae_optimizer, without_prefix("vae", state.tensors), [self.settings.vae_lr])
        restore_optimizer(self.prior_optimizer, without_prefix("prior", state.tensors), [self.settings.prior_lr])
        self.steps, self.updates = state.values["steps"], state.values["updates"]
        set_random_state(State(without_prefix("random", state.tensors), state.values["random"]), device)


def vae_rate(settings: GeneratorSettings, step: int, epoch: int) -> float:
    """The VAE's learning rate in a step of an epoch (both from 0):

        last + (first - last) (1 + cos(pi n / N)) / 2

    N is the number of epochs in which the prior is trained, less one, and n is, as published, the number of steps
    before; repaired the number of such epochs before, at least 0."""
    whole = max(1, settings.epochs - settings.warmup_epochs - 1)
    done = max(0, epoch - settings.warmup_epochs) if settings.cosine_by_epoch else step
    fall = (1 + math.cos(math.pi * done / whole)) / 2
    return settings.last_vae_lr + (settings.vae_lr - settings.last_vae_lr) * fall


def average_decay(update: int) -> float:
    """How much of the average stays at an update of the prior, counted from 1; at first nothing does."""
    return 0.0 if update < COPIED else min(0.995, 1 - (update - COPIED + 2) ** (-2 / 3))


@torch.no_grad()
def update_average(average: nn.Module, weights: nn.Module, update: int) -> None:
    """average <- decay * average + (1 - decay) * weights."""
    for mean, weight in zip(average.parameters(), weights.parameters(), strict=True):
        mean.lerp_(weight, 1 - average_decay(update))
