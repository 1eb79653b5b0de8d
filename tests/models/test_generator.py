"""VaeDiff's generator: its networks, schedule, losses, gradients and samples are those of ../shared/golden/vaediff and
of the slow reference."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from docre.errors import DocreError
from docre.models.generator import Generator
from docre.models.generator.diffusion import Draw
from docre.models.generator.generator import GUIDANCE, SIZES, WEIGHTS, Sizes
from docre.models.generator.vae import log_normal
from tests.models.published.held_values import Golden
from tests.models.published.vaediff_augmentation import VAE, Diffusion, Prior, vae_loss

TINY = Sizes(hidden=16, relations=4, latent=6, width=8, depth=2, heads=2, steps=7)

NAMES = {
    "vae.mean.": "mu.",
    "vae.log_variance.": "log_sigma.",
    "prior.no_earlier": "init_self_cond",
    "prior.time.0.": "time_mlp.1.",
    "prior.time.2.": "time_mlp.3.",
    "prior.embedding.": "class_embedding.",
    "prior.of_relations.": "class_embedding_mlp.",
    "prior.of_input.": "input_proj.",
    "prior.of_time.": "time_pos_embed_mlp.1.",
    "prior.norm.": "norm.",
    "prior.output.": "output_proj.",
}
BLOCK_NAMES = {  # beside the number of the first of its two layers
    "norm.": (0, "0.0."),
    "value.": (0, "1.to_v."),
    "attended.": (0, "1.to_out."),
    "norm_before.": (1, "0.0."),
    "norm_after.": (1, "0.1."),
    "gated.": (1, "1.ff.0.proj."),
    "inner.": (1, "1.ff.3."),
    "scale_shift.": (1, "2.scale_shift.time_mlp.1."),
}


def published(name: str) -> str:
    """The published name of a weight of the generator, within the VAE or the prior."""
    if block := re.fullmatch(r"prior\.blocks\.(\d+)\.(\w+\.)(\w+)", name):
        second, layer = BLOCK_NAMES[block[2]]
        return f"encoder.layers.{2 * int(block[1]) + second}.{layer}{block[3]}"
    for own, other in NAMES.items():
        if name.startswith(own):
            return other + name.removeprefix(own)
    name = name.removeprefix("vae.")
    norm = re.fullmatch(r"(encoder\.[04]|decoder\.[25])\.weight", name)
    return f"{norm[1]}.gamma" if norm else name


def load(generator: Generator, vae: Mapping[str, Tensor], prior: Mapping[str, Tensor]) -> Generator:
    """Load weights with published names."""
    weights = {}
    for name, own in generator.state_dict().items():
        value = (vae if name.startswith("vae.") else prior)[published(name)]
        if name == "prior.embedding.weight":
            value = value[1:]  # that of column 0 is never used
        weights[name] = value.reshape(own.shape)
    generator.load_state_dict(weights)
    return generator


def norms(module: nn.Module, prefix: str) -> dict[str, float]:
    """The norms of the gradients by published name."""
    return {published(prefix + n): p.grad.norm().item() for n, p in module.named_parameters() if p.grad is not None}


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    return Golden(shared / "golden" / "vaediff")


@pytest.fixture
def generator(golden: Golden) -> Generator:
    given, prior = golden.json, golden.json["prior"]
    names = {"width": prior["width"], "depth": prior["depth"], "heads": prior["heads"], "steps": prior["steps"]}
    sizes = {"hidden": given["bert_config"]["hidden_size"], "relations": given["num_classes"] - 1}
    made = Generator(Sizes(**sizes, latent=given["latent_size"], **names))
    return load(made, golden.weights("vae"), golden.weights("prior")).eval()


def labels_of(classes: list[list[int]], relations: int) -> Tensor:
    labels = torch.zeros(len(classes), relations, dtype=torch.bool)
    for row, own in enumerate(classes):
        labels[row, [c - 1 for c in own]] = True
    return labels


def close(found: Tensor, expected: Tensor, name: str = "") -> None:
    """Within 1e-4 of the largest value."""
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * max(1, expected.abs().max().item()), msg=name)


def test_golden_schedule(golden, generator):
    diffusion = generator.diffusion
    close(diffusion.signal, golden.expected["prior.alphas_cumprod"])
    close(diffusion.of_latent, golden.expected["prior.posterior_mean_coef1"])
    close(diffusion.of_noisy, golden.expected["prior.posterior_mean_coef2"])
    close(diffusion.variance[1:], golden.expected["prior.noise_variance"][1:])  # none is added at t = 0


def stage2(golden: Golden) -> tuple[Tensor, Tensor, Tensor, Draw, Draw]:
    """Features, labels, the noise of the latents, and the random numbers of both steps."""
    given = golden.json["stage2"]
    labels = labels_of(given["labels"], golden.json["num_classes"] - 1)
    vae, prior = (
        Draw(torch.tensor(given[f"t_{step}_step"]), golden.expected[f"stage2.noise.{step}_step"])
        for step in ("vae", "prior")
    )
    return golden.expected["stage2.feature"], labels, golden.expected["stage2.noise.latent"], vae, prior


def test_golden_networks(golden, generator):
    feature, labels, noise, _, draw = stage2(golden)
    mean, log_variance = generator.vae.encode(feature)
    latent = golden.expected["stage2.z"]
    noisy = generator.diffusion.noisy(latent, draw.t, draw.noise)
    found = {
        "z": mean + (log_variance / 2).exp() * noise,
        "log_q": log_normal(latent, mean, log_variance),
        "decoded": generator.vae.decoder(latent),
        "prior.x_t": noisy,
        "prior.x0": generator.prior(noisy, draw.t, None, labels),
        "prior.x0_no_class": generator.prior(noisy, draw.t, None, None),
        "prior.x0_self_conditioned": generator.prior(noisy, draw.t, 0.5 * latent, labels),
    }
    for conditioned in (False, True):
        for unlabeled in (False, True):
            own = Draw(draw.t, draw.noise, conditioned, (unlabeled, unlabeled))
            names = ["self_conditioned"] * conditioned + ["no_class"] * unlabeled
            value = generator.diffusion.losses(generator.prior, latent, labels, own)
            found[f"prior_loss.{'_'.join(names) or 'plain'}"] = value
    for name, value in found.items():
        close(value, golden.expected[f"stage2.{name}"], name)


@pytest.mark.parametrize("step", ["step", "step_not_self_conditioned", "warmup_step"])
def test_golden_training_steps(golden, generator, step):
    generator = generator.double()
    feature, labels, noise, vae, prior = stage2(golden)
    expected = golden.json["losses"][f"stage2.{step}"]
    prior = Draw(prior.t, prior.noise.double(), self_conditioned=step == "step")
    vae = Draw(vae.t, vae.noise.double())
    weight = expected.get("kl_coeff", 1e-3)
    loss, latent = generator.vae_loss(feature.double(), labels, noise.double(), vae, weight)
    found, wholes = {}, {}
    if "loss_vae" in expected:
        assert loss.item() == pytest.approx(expected["loss_vae"], rel=1e-4)
        loss.backward(inputs=list(generator.vae.parameters()), retain_graph=True)
        found["vae"] = norms(generator.vae, "vae.")
        wholes |= {f"vae.{published('vae.' + n)}": p.grad for n, p in generator.vae.named_parameters()}
    if "loss_prior" in expected:
        loss = generator.prior_loss(latent, labels, prior)
        assert loss.item() == pytest.approx(expected["loss_prior"], rel=1e-4)
        loss.backward()
        found["prior"] = norms(generator.prior, "prior.")
        wholes |= {f"prior.{published('prior.' + n)}": p.grad for n, p in generator.prior.named_parameters()}
    for part, own in found.items():
        used = {n: norm for n, norm in expected[part]["grad_norm"].items() if norm and ".to_q." not in n}
        used = {n: norm for n, norm in used.items() if ".to_k." not in n}
        nonzero = {n: norm for n, norm in own.items() if norm}
        assert nonzero.keys() == used.keys()
        for name, norm in used.items():
            assert nonzero[name] == pytest.approx(norm, rel=3e-4), name
    if step == "step":
        given = {n: v for n, v in golden.expected.items() if n.startswith("stage2.grad.") and "not_self" not in n}
        for name, gradient in given.items():
            own = wholes[name.removeprefix("stage2.grad.")]
            expected = gradient[1:] if "class_embedding.weight" in name else gradient
            close(own.float().reshape(expected.shape), expected, name)


@pytest.mark.parametrize("case", ["published", "every_step"])
def test_golden_samples(golden, generator, case):
    start = 0
    for i, count in enumerate(golden.json["stage3"]["augmented_per_document"]):
        rows = slice(start, start + count)
        start += count
        labels = labels_of(golden.json["stage3"]["labels_augmented"][rows], golden.json["num_classes"] - 1)
        noise = [golden.expected[f"stage3.noise.{i}.{name}"] for name in ("start", "steps")]
        with torch.no_grad():
            given = torch.cat([noise[0][None], noise[1]])
            latent = generator.diffusion.sample(generator.prior, labels, given, GUIDANCE, case == "every_step")
            feature = generator.vae.decode(latent)
        close(latent, golden.expected[f"stage3.{case}.latent"][rows])
        close(feature, golden.expected[f"stage3.{case}.feature"][rows])


def tiny_generators(seed: int) -> tuple[Generator, VAE, Prior, Diffusion]:
    """A generator with random weights, and the reference's networks with the same."""
    torch.manual_seed(seed)
    vae, prior = VAE(16, 4, 6), Prior(6, 8, 2, 1 + 4, 2)
    for parameter in (*vae.parameters(), *prior.parameters()):
        nn.init.normal_(parameter, std=0.5)
    made = load(Generator(TINY), vae.state_dict(), prior.state_dict())
    return made.double().eval(), vae.double().eval(), prior.double().eval(), Diffusion(TINY.steps)


def random_labels(pairs: int) -> Tensor:
    labels = torch.rand(pairs, TINY.relations) < 0.3
    labels[torch.arange(pairs), torch.randint(TINY.relations, (pairs,))] = True
    return labels


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("every_step", [True, False])
def test_samples_equal_the_reference(seed, every_step):
    made, vae, prior, diffusion = tiny_generators(seed)
    labels = random_labels(5)
    noise = torch.randn(1 + TINY.steps, 5, TINY.latent, dtype=torch.float64)
    with torch.no_grad():
        found = made.vae.decode(made.diffusion.sample(made.prior, labels, noise, GUIDANCE, every_step))
        expected = vae.mean(diffusion.sample(prior, labels, noise[0], noise[1:], GUIDANCE, every_step))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("conditioned", [True, False])
def test_losses_and_gradients_equal_the_reference(seed, conditioned):
    made, vae, prior, diffusion = tiny_generators(seed)
    labels = random_labels(5)
    feature, noise = torch.randn(5, 16, dtype=torch.float64), torch.randn(5, 6, dtype=torch.float64)
    draw = made.diffusion.draw(noise)
    draw = Draw(draw.t, draw.noise, conditioned)

    mu, log_variance = (x.clamp(-5, 5) for x in vae.encode(feature))
    z = mu + (log_variance / 2).exp() * noise
    own = diffusion.loss(prior, z, draw.t, draw.noise, labels, conditioned)
    expected, _ = vae_loss(vae, feature, z, own, diffusion, 1e-3)
    loss, latent = made.vae_loss(feature, labels, noise, draw, 1e-3)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    wanted = torch.autograd.grad(expected, list(vae.parameters()))
    loss.backward(inputs=list(made.vae.parameters()))
    found = {published(f"vae.{n}"): p.grad for n, p in made.vae.named_parameters()}
    for (name, _), gradient in zip(vae.named_parameters(), wanted, strict=True):
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5, msg=name)

    expected = diffusion.loss(prior, z.detach(), draw.t, draw.noise, labels, conditioned).mean()
    loss = made.prior_loss(latent, labels, draw)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    loss.backward()
    expected.backward()
    wanted = {n: p.grad for n, p in prior.named_parameters() if p.grad is not None and ".to_q" not in n}
    for name, parameter in made.prior.named_parameters():
        if parameter.grad is not None:
            gradient = wanted[published(f"prior.{name}")]
            gradient = gradient[1:] if name == "embedding.weight" else gradient
            torch.testing.assert_close(parameter.grad, gradient.reshape(parameter.shape), rtol=1e-4, atol=1e-5)


def test_labels_count_at_every_step_only_when_repaired():
    """As published a change of the labels changes the features far less."""
    made, *_ = tiny_generators(0)
    noise = torch.randn(1 + TINY.steps, 1, TINY.latent, dtype=torch.float64)
    labels = torch.eye(TINY.relations, dtype=torch.bool)[:, None]
    changes = {}
    for every_step in (True, False):
        with torch.no_grad():
            first, *others = (made.diffusion.sample(made.prior, own, noise, GUIDANCE, every_step) for own in labels)
        changes[every_step] = sum((other - first).abs().mean().item() for other in others)
    assert changes[True] > 3 * changes[False]


def test_dropout_while_sampling_as_published():
    """In training mode two samples from the same noise differ; in evaluation mode they do not."""
    made, *_ = tiny_generators(0)
    labels = random_labels(5)
    noise = torch.randn(1 + TINY.steps, 5, TINY.latent, dtype=torch.float64)
    for training in (True, False):
        made.train(training)
        first, second = (made.diffusion.sample(made.prior, labels, noise, GUIDANCE, False) for _ in range(2))
        assert torch.equal(first, second) is not training


def test_a_generator_is_saved_without_pickle_and_loaded(tmp_path):
    made, *_ = tiny_generators(0)
    made.float().save(tmp_path / "g")
    assert sorted(p.name for p in (tmp_path / "g").iterdir()) == [WEIGHTS, "manifest.json", SIZES]
    again = Generator.load(tmp_path / "g")
    labels = random_labels(5)
    for generator in (made, again):
        torch.manual_seed(1)
        features = generator(labels, every_step=True)
        assert features.shape == (5, TINY.hidden) and not features.requires_grad
    torch.manual_seed(1)
    assert torch.equal(made(labels, every_step=True), features)


def test_a_damaged_generator_is_refused(tmp_path):
    from docre.core.files import write_json
    from docre.core.manifests import write_manifest

    folder = tmp_path / "g"
    Generator(TINY).save(folder)
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1])
    with pytest.raises(DocreError, match="torn or changed"):
        Generator.load(folder)
    Generator(TINY).save(folder)
    for sizes, message in (
        (TINY.model_dump() | {"latent": 8}, "the weights do not fit the model"),
        (TINY.model_dump() | {"latent": "8"}, r"sizes.json: not the sizes of a generator"),
        ([], r"sizes.json: not the sizes of a generator"),
    ):
        write_json(folder / SIZES, sizes)
        write_manifest(folder)
        with pytest.raises(DocreError, match=message):
            Generator.load(folder)
