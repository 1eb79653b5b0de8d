"""VaeDiff-DocRE's references against all of ../shared/golden/vaediff, in float64.

Compared. Stage 1: logits and predictions in evaluation, logits and features as in training, both losses
(classification also repaired), the gradient norm of every parameter. Stage 2: features, the diffusion schedule, mean
and log variance, z, log q, the decoder's output, single calls of the prior, the diffusion loss of each pair in all four
ways, a training step of VAE and prior (with and without self-conditioning, and the warm-up's) with all gradient norms,
the decay of the average. Stage 3: augmented labels, latents and features as published and repaired, every loss with all
gradient norms. And all gradients that are given in full.
"""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import BertConfig

from tests.models.published.held_values import POOLER, Golden, gradients, hold
from tests.models.published.padded import Document, highest_above_threshold
from tests.models.published.vaediff import BaseModel, classification_loss, contrastive_loss
from tests.models.published.vaediff_augmentation import (
    VAE,
    Diffusion,
    Prior,
    average_decay,
    log_normal,
    vae_loss,
)

UNUSED = (*POOLER, "bilinear.weight", "bilinear.bias")
ADDED = ("head_extractor", "tail_extractor", "projection", "classifier")


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    return Golden(shared / "golden" / "vaediff")


@pytest.fixture(scope="module")
def base(golden: Golden) -> BaseModel:
    """The base model of the golden values."""
    names = ("num_classes", "emb_size", "block_size", "map_size", "axial_layers", "axial_heads")
    model = BaseModel(BertConfig(**golden.json["bert_config"]), *(golden.json[name] for name in names))
    model.load_state_dict(golden.weights("encoder", "classifier"))
    return model.double().eval()


@pytest.fixture(scope="module")
def networks(golden: Golden) -> tuple[VAE, Prior, Diffusion]:
    given = golden.json
    vae = VAE(given["bert_config"]["hidden_size"], given["vae_width"], given["latent_size"])
    vae.load_state_dict(golden.weights("vae"))
    sizes = given["prior"]["width"], given["prior"]["depth"], given["num_classes"], given["prior"]["heads"]
    prior = Prior(given["latent_size"], *sizes)
    prior.load_state_dict(golden.weights("prior"))
    return vae.double().eval(), prior.double().eval(), Diffusion(given["prior"]["steps"])


@pytest.fixture(scope="module")
def documents(golden: Golden) -> list[Document]:
    return Document.batch(golden.json["batches"]["mixed"], golden.json["num_classes"])


@pytest.fixture(scope="module")
def labels(documents: list[Document]) -> Tensor:
    """[cells, relations] of all documents."""
    return torch.cat([document.labels for document in documents])


def hold_stage(golden: Golden, stage: str, found: dict[str, Any]) -> None:
    """Hold all tensors whose names begin so; `found` may have more gradients than are given."""
    expected = {n: v for n, v in golden.expected.items() if n.startswith(f"{stage}.") and ".noise." not in n}
    hold({n: v for n, v in found.items() if ".grad." not in n or n in expected}, expected)


def test_stage1(golden: Golden, base: BaseModel, documents: list[Document], labels: Tensor) -> None:
    evaluated, trained = base(documents), base(documents, zero_padding=True)
    classification, contrastive = classification_loss(trained.logits, labels), contrastive_loss(trained.feature, labels)
    norms, grads = gradients(base, classification + contrastive, group, UNUSED)
    grads["projection.weight"] = grads["projection.weight"][:4]
    found = {
        "stage1.logits": evaluated.logits,
        "stage1.relations_predicted": highest_above_threshold(evaluated.logits, places=4),
        "stage1.logits_train": trained.logits,
        "stage1.feature_train": trained.feature,
    }
    hold_stage(golden, "stage1", found | {f"stage1.train.grad.{name}": grad for name, grad in grads.items()})
    losses = {
        "classification": classification.item(),
        "classification_with_means_pair_by_pair": classification_loss(trained.logits, labels, pair_by_pair=True).item(),
        "contrastive": contrastive.item(),
        "total": (classification + contrastive).item(),
        "positive_pairs": int(labels.any(1).sum()),
    }
    hold(losses | norms, golden.json["losses"]["stage1.train"])


def test_schedule(golden: Golden, networks: tuple[VAE, Prior, Diffusion]) -> None:
    diffusion = networks[2]
    found = {
        "prior.alphas_cumprod": diffusion.signal,
        "prior.posterior_mean_coef1": diffusion.of_x0,
        "prior.posterior_mean_coef2": diffusion.of_x_t,
        "prior.noise_variance": diffusion.noise_variance,
    }
    hold_stage(golden, "prior", found)
    decays = [average_decay(update) for update in range(1, 41)]
    hold(decays, golden.json["ema_decay_by_update"])


def test_stage2(
    golden: Golden, base: BaseModel, networks: tuple[VAE, Prior, Diffusion], documents: list[Document], labels: Tensor
) -> None:
    vae, prior, diffusion = networks
    noise = {name.split(".")[-1]: v.double() for name, v in golden.expected.items() if name.startswith("stage2.noise.")}
    t_vae, t_prior = (torch.tensor(golden.json["stage2"][f"t_{step}_step"]) for step in ("vae", "prior"))
    feature = base(documents).feature[labels.any(1)].detach()
    own = labels[labels.any(1)]
    assert [(row.nonzero().flatten() + 1).tolist() for row in own] == golden.json["stage2"]["labels"]

    mu, log_variance = vae.encode(feature)
    clamped = mu.clamp(-5, 5), log_variance.clamp(-5, 5)
    z = clamped[0] + (clamped[1] / 2).exp() * noise["latent"]
    at_rest = z.detach()
    x_t = diffusion.noisy(at_rest, t_prior, noise["prior_step"])
    step = t_prior, noise["prior_step"]
    per_pair = {
        "plain": diffusion.loss(prior, at_rest, *step, own, self_conditioned=False),
        "self_conditioned": diffusion.loss(prior, at_rest, *step, own, self_conditioned=True),
        "no_class": diffusion.loss(prior, at_rest, *step, None, self_conditioned=False),
        "self_conditioned_no_class": diffusion.loss(prior, at_rest, *step, None, self_conditioned=True),
    }
    in_vae = diffusion.loss(prior, z, t_vae, noise["vae_step"], own, self_conditioned=False)
    loss_vae, reconstruction = vae_loss(vae, feature, z, in_vae, diffusion, beta=1e-3)
    warmup, _ = vae_loss(vae, feature, z, in_vae, diffusion, beta=1e-6)
    loss_prior, loss_plain = per_pair["self_conditioned"].mean(), per_pair["plain"].mean()
    vae_norms, vae_grads = gradients(vae, loss_vae, lambda _: "vae")
    prior_norms, prior_grads = gradients(prior, loss_prior, lambda _: "prior")
    plain_norms, plain_grads = gradients(prior, loss_plain, lambda _: "prior")
    losses: dict[str, Any] = {
        "step": {
            "loss_vae": loss_vae.item(),
            "loss_prior": loss_prior.item(),
            "reconstruction_sum": reconstruction.item(),
            "kl_coeff": 1e-3,
            "vae": vae_norms,
            "prior": prior_norms,
        },
        "step_not_self_conditioned": {"loss_prior": loss_plain.item(), "prior": plain_norms},
        "warmup_step": {
            "loss_vae": warmup.item(),
            "kl_coeff": 1e-6,
            "vae": gradients(vae, warmup, lambda _: "vae")[0],
        },
    }
    hold({f"stage2.{n}": v for n, v in losses.items()}, {n: v for n, v in golden.json["losses"].items() if "e2." in n})
    found = {
        "stage2.feature": feature,
        "stage2.mu_raw": mu,
        "stage2.log_sigma_raw": log_variance,
        "stage2.z": z,
        "stage2.log_q": log_normal(z, *clamped),
        "stage2.decoded": vae.decoder(z),
        "stage2.prior.x_t": x_t,
        "stage2.prior.x0": prior(x_t, t_prior, None, own),
        "stage2.prior.x0_no_class": prior(x_t, t_prior, None, None),
        "stage2.prior.x0_self_conditioned": prior(x_t, t_prior, 0.5 * at_rest, own),
        "stage2.grad.prior.init_self_cond_not_self_conditioned": plain_grads["init_self_cond"],
    }
    found |= {f"stage2.prior_loss.{name}": value for name, value in per_pair.items()}
    found |= {f"stage2.grad.vae.{name}": grad for name, grad in vae_grads.items()}
    found |= {f"stage2.grad.prior.{name}": grad for name, grad in prior_grads.items()}
    hold_stage(golden, "stage2", found)


def test_stage3(
    golden: Golden, base: BaseModel, networks: tuple[VAE, Prior, Diffusion], documents: list[Document], labels: Tensor
) -> None:
    vae, prior, diffusion = networks
    out = base(documents)
    classification = classification_loss(out.logits, labels)
    losses: dict[str, Any] = {
        "first_epochs": {"total": classification.item()} | gradients(base, classification, group, UNUSED)[0]
    }
    # Two vectors for each pair with a relation, document by document.
    wanted = [document.labels[document.labels.any(1)].repeat(2, 1) for document in documents]
    assert [len(own) for own in wanted] == golden.json["stage3"]["augmented_per_document"]
    augmented_labels = torch.cat(wanted)
    rows = [(row.nonzero().flatten() + 1).tolist() for row in augmented_labels]
    assert rows == golden.json["stage3"]["labels_augmented"]
    noise = [
        [golden.expected[f"stage3.noise.{i}.{n}"].double() for n in ("start", "steps")] for i in range(len(wanted))
    ]
    found: dict[str, Any] = {}
    for case, every_step in (("published", False), ("every_step", True)):
        with torch.no_grad():
            latent = torch.cat(
                [
                    diffusion.sample(prior, own, *given, golden.json["prior"]["guidance"], every_step)
                    for own, given in zip(wanted, noise, strict=True)
                ]
            )
            feature = vae.mean(latent)
        augmented = classification_loss(base.classifier(feature), augmented_labels)
        contrastive = contrastive_loss(torch.cat([out.feature, feature]), torch.cat([labels, augmented_labels]))
        total = classification + augmented + contrastive
        norms, grads = gradients(base, total, group, UNUSED)
        losses[case] = norms | {
            "classification": classification.item(),
            "classification_augmented": augmented.item(),
            "contrastive": contrastive.item(),
            "total": total.item(),
        }
        found |= {f"stage3.{case}.latent": latent, f"stage3.{case}.feature": feature}
        found |= {f"stage3.{case}.grad.{name}": grad for name, grad in grads.items()}
    hold_stage(golden, "stage3", found)
    hold({f"stage3.{n}": v for n, v in losses.items()}, {n: v for n, v in golden.json["losses"].items() if "e3." in n})


@torch.no_grad()
def test_repairs(base: BaseModel, documents: list[Document], labels: Tensor) -> None:
    out = base(documents)
    off = ~out.diagonal
    assert not out.logits[out.diagonal].any() and not labels[out.diagonal].any()
    whole, without = (classification_loss(out.logits[c], labels[c], pair_by_pair=True) for c in (off | True, off))
    # A cell of the diagonal has R negatives, each with loss ln 2 and entropy ln 2.
    constant = (labels.shape[1] + 1) * math.log(2)
    torch.testing.assert_close(whole * len(off), without * off.sum() + constant * out.diagonal.sum())

    single = labels.any(1).nonzero()[:1, 0]
    for chosen in (single[:0], single):
        assert contrastive_loss(out.feature[chosen], labels[chosen]).isnan()
        assert contrastive_loss(out.feature[chosen], labels[chosen], zero=True) == 0


def group(parameter: str) -> str:
    """The optimizer group of a parameter: the axial layers have the encoder's learning rate."""
    return "added" if parameter.split(".")[0] in ADDED else "encoder"
