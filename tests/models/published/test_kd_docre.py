"""KD-DocRE's slow reference against golden values of the published implementation (../shared/golden/kd_docre), in
float64.

Compared, and nothing is left out (`hold` fails for a name on one side only):
- everything in expected.safetensors: of both variants and all batches logits, in evaluation, in training, in training
  with dropped pairs and in maps without padding; predictions; what the extractors read, features, every axial layer's
  attention and output, what the classifier reads; gradients in full; the teacher's logits are an input;
- of the JSON: losses (plain, training, dropped pairs, distillation with its two terms) and gradient norms (every
  parameter, groups, total), parameters at the published size, official errors; `float32_error` as a bound, since its
  exact value is the machine's.
Losses are computed by docre's afl.
`logits_unpadded` is a repair with golden values; the other repairs are tested where they must agree with the published
model.
"""

import math

import pytest
import torch
from transformers import BertConfig

from docre.losses import build
from docre.tensors import ModelOutput
from tests.models.published.encoders import ENCODERS
from tests.models.published.held_values import POOLER, Golden, gradients, hold
from tests.models.published.kd_docre import KDDocRE, distillation, pair_mean
from tests.models.published.padded import highest_above_threshold

GROUPS = {"model": "encoder", "axial_transformer": "axial"}
FULL_GRADIENTS = (
    "axial_transformer.axial_attns.0.axial_attentions.0.fn.to_out.bias",
    "axial_transformer.lns.0.weight",
    "classifier.bias",
    "head_extractor.bias",
)
BATCHES = {"layers2": ["one", "cut", "long", "full"], "layers6": ["one", "cut", "long"]}


@pytest.fixture(scope="module")
def golden(shared):
    return Golden(shared / "golden" / "kd_docre")


def build_model(golden, variant, side=None, **repairs) -> KDDocRE:
    values = golden.json
    layers = values["variants"][variant]["axial_layers"]
    model = KDDocRE(
        BertConfig(**values["bert_config"], hidden_dropout_prob=0, attention_probs_dropout_prob=0),
        values["num_classes"],
        emb_size=values["emb_size"],
        block_size=values["block_size"],
        axial_layers=layers,
        axial_heads=values["axial_heads"],
        side=side or values["map_size"],
        **repairs,
    )
    weights = golden.weights("encoder", "kd_docre")
    unused = tuple(
        f"axial_transformer.{part}.{layer}." for part in ("axial_attns", "ffns", "lns") for layer in range(layers, 6)
    )
    model.load_state_dict({n: w for n, w in weights.items() if not n.startswith((*unused, *POOLER))})
    return model.double().eval()


def logits_of(steps) -> torch.Tensor:
    return torch.cat([s.logits for s in steps])


@torch.no_grad()
def outputs_of_mixed(golden, variant) -> dict[str, torch.Tensor]:
    """What the golden values have of the batch `mixed`, but for gradients."""
    documents = golden.documents("mixed")
    steps = build_model(golden, variant)(documents)
    trained = build_model(golden, variant).train()
    steps_train = trained(documents)
    logits = logits_of(steps)
    found = {
        "logits": logits,
        "predictions": highest_above_threshold(logits, places=4),
        "logits_train": logits_of(steps_train),
        "logits_train_dropped": logits_of(trained(documents, golden.json["dropped_pairs"])),
        "logits_unpadded": logits_of(build_model(golden, variant, padded=False)(documents)),
    }
    for d in (0, 1):
        size = len(documents[d].mentions) + 1  # one row and column of padding stand for all
        maps = {"axial": steps[d].axial}
        if variant == "layers2":
            maps |= {n: getattr(steps[d], n) for n in ("head_input", "tail_input", "feature", "classifier_input")}
            maps |= {f"layer{i}.attention": a for i, a in enumerate(steps[d].attentions)}
            maps |= {f"layer{i}.output": o for i, o in enumerate(steps[d].outputs)}
            if d == 0:
                maps |= {f"{n}_train": getattr(steps_train[d], n) for n in ("feature", "axial")}
        found |= {f"document{d}.{name}": m[:size, :size] for name, m in maps.items()}
    return {f"{variant}.mixed.{name}": value for name, value in found.items()}


def losses(golden, variant, case) -> tuple[dict[str, object], dict[str, torch.Tensor]]:
    """Of the batch `mixed`: losses and gradient norms, and the gradients that the golden values have in full."""
    documents = golden.documents("mixed")
    model = build_model(golden, variant).train(case != "eval")
    logits = logits_of(model(documents, golden.json["dropped_pairs"] if case == "train_dropped" else None))
    labels = torch.cat([document.labels for document in documents])
    afl = build("afl", golden.json["num_classes"] - 1, gamma=1.0)(ModelOutput(logits), labels)
    parts = {"loss": afl}
    if case == "distil":
        mse = distillation(logits, golden.expected["mixed.teacher_logits"].double())
        parts = {"loss": afl + mse, "afl": afl, "mse": mse}
    norms, grads = gradients(model, parts["loss"], group)
    norms["grad_norm"] |= dict.fromkeys(POOLER, 0.0)
    tensors = {}
    if case in ("train", "distil"):
        tensors = {f"{variant}.mixed.{case}.grad.{n}": grads[n] for n in FULL_GRADIENTS}
    return {name: value.item() for name, value in parts.items()} | norms, tensors


def group(parameter) -> str:
    return GROUPS.get(parameter.split(".")[0], "extractors_projection_classifier")


def test_every_golden_value(golden):
    values = {"mixed.teacher_logits": golden.expected["mixed.teacher_logits"]}
    numbers = {}
    for variant, batches in BATCHES.items():
        values |= outputs_of_mixed(golden, variant)
        model = build_model(golden, variant)
        with torch.no_grad():
            values |= {f"{variant}.{batch}.logits": logits_of(model(golden.documents(batch))) for batch in batches}
        for case in ("eval", "train", "train_dropped", "distil"):
            numbers[f"{variant}.mixed.{case}"], tensors = losses(golden, variant, case)
            values |= tensors
    with torch.no_grad():
        larger = build_model(golden, "layers2", side=golden.json["batches"]["over"]["map_size"])
        values["layers2.over.logits"] = logits_of(larger(golden.documents("over")))
    hold(values, golden.expected)
    hold(numbers, golden.json["losses"])


@pytest.mark.parametrize("variant", BATCHES)
def test_float32_is_within_the_golden_tolerance(golden, variant):
    with torch.no_grad():
        logits = logits_of(build_model(golden, variant).float()(golden.documents("mixed")))
    off = (logits - golden.expected[f"{variant}.mixed.logits"]).abs().max().item()
    assert off < 10 * golden.json["variants"][variant]["float32_error"]


def test_official_errors(golden):
    assert golden.json["official_errors"].keys() == {"over"}
    with pytest.raises(
        RuntimeError, match=r"The expanded size of the tensor \(42\) must match the existing size \(45\)"
    ):
        build_model(golden, "layers2")(golden.documents("over"))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_parameters_at_published_size(golden, encoder):
    build_encoder, config = ENCODERS[encoder]
    with torch.device("meta"):
        model = KDDocRE(BertConfig(hidden_size=config.hidden_size, num_attention_heads=16), classes=97)
        model.model = build_encoder(config)
        unused = torch.nn.Linear(1024 * 64, 97)  # the `bilinear` of published checkpoints
    parts = {
        "encoder": model.model,
        "head_extractor": model.head_extractor,
        "tail_extractor": model.tail_extractor,
        "bilinear (never used)": unused,
        "projection": model.projection,
        "classifier": model.classifier,
        **{f"axial_transformer.{name}": part for name, part in model.axial_transformer.named_children()},
        "total": torch.nn.ModuleList([model, unused]),
    }
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    assert counts == golden.json["parameters_at_published_size"][encoder]


@torch.no_grad()
def test_repaired_padding_is_the_same_in_training(golden):
    documents = golden.documents("mixed")
    model = build_model(golden, "layers2", padded=False)
    assert torch.equal(logits_of(model(documents)), logits_of(model.train()(documents)))


@torch.no_grad()
def test_repaired_any_size(golden):
    """A document that is too large gets a map of its own size, and changes no number of those beside it."""
    documents, large = golden.documents("mixed"), golden.documents("over")
    logits = logits_of(build_model(golden, "layers2", any_size=True)([*documents, *large]))
    expected = golden.expected["layers2.mixed.logits"].double()
    torch.testing.assert_close(logits[: len(expected)], expected, atol=1e-6, rtol=1e-6)
    own_side = logits_of(build_model(golden, "layers2", padded=False)(large))
    torch.testing.assert_close(logits[len(expected) :], own_side)


@torch.no_grad()
def test_repaired_diagonal(golden):
    """The published loss is that of the pairs and ln C for each cell of the diagonal."""
    documents, classes = golden.documents("mixed"), golden.json["num_classes"]
    logits = golden.expected["layers2.mixed.logits"].double()
    afl = build("afl", classes - 1, gamma=1.0)
    cells = afl.pair_losses(logits[:, 1:], logits[:, :1], torch.cat([d.labels for d in documents]))
    diagonal = sum(len(document.mentions) for document in documents)
    published = (pair_mean(cells, documents) * (len(cells) - diagonal) + diagonal * math.log(classes)) / len(cells)
    expected = golden.json["losses"]["layers2.mixed.eval"]["loss"]
    assert published.item() == pytest.approx(expected, rel=1e-6)
