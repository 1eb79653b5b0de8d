"""DocuNet's slow reference against golden values of the published implementation (../shared/golden/docunet), in
float64.

Compared, and nothing is left out (`hold` fails for a name on one side only):
- everything in expected.safetensors: of both variants and all batches logits, predictions, contexts, input maps, the
  U-Net's maps at every level, what the extractors read, contexts of the diagonal and of the padding, logits at height
  48 and above 42 entities, logits in train mode, running statistics after it, gradients in full;
- of the JSON: losses and gradient norms (every parameter, groups, total), parameters at the published size, official
  errors; `float32_error` as a bound, since its exact value is the machine's.
Losses are computed by docre's balanced_softmax.
The repairs have no golden values; they are tested where they must agree with the published model, and where not.
"""

from dataclasses import replace

import pytest
import torch
from transformers import BertConfig

from docre.losses import build
from docre.tensors import ModelOutput
from tests.models.published.docunet import DocuNet, predictions
from tests.models.published.encoders import ENCODERS
from tests.models.published.held_values import POOLER, Golden, gradients, hold

PLACES = 3
GROUPS = {"model": "encoder", "segmentation_net": "unet_and_liner", "liner": "unet_and_liner"}
PAIRS_ONLY = ("context_at_pairs", "unet_at_pairs")
FULL_GRADIENTS = (
    "bilinear.bias",
    "head_extractor.bias",
    "liner.weight",
    "segmentation_net.inc.conv.double_conv.0.weight",
    "segmentation_net.outc.conv.weight",
)


@pytest.fixture(scope="module")
def golden(shared):
    return Golden(shared / "golden" / "docunet")


def build_model(golden, variant, side=None, **repairs) -> DocuNet:
    sizes, values = golden.json["variants"][variant], golden.json
    model = DocuNet(
        BertConfig(**values["bert_config"], hidden_dropout_prob=0, attention_probs_dropout_prob=0),
        values["num_classes"],
        emb_size=values["emb_size"],
        block_size=values["block_size"],
        channels=sizes["unet_in_dim"],
        out=sizes["unet_out_dim"],
        width=sizes["down_dim"],
        side=side or sizes["max_height"],
        **repairs,
    )
    weights = golden.weights("encoder", f"docunet_{variant}")
    model.load_state_dict({name: value for name, value in weights.items() if name not in POOLER})
    return model.double().eval()


@torch.no_grad()
def outputs(golden, variant, batch, side=None) -> dict[str, torch.Tensor]:
    """What the golden values have of a batch in eval mode."""
    documents = golden.documents(batch)
    steps = build_model(golden, variant, side)(documents)
    found = {"logits": steps.logits}
    if batch in ("mixed", "cut", "long"):
        found["predictions"] = predictions(steps.logits, PLACES)
    if batch in ("mixed", "cut"):
        found |= {name: torch.cat(getattr(steps, name)) for name in PAIRS_ONLY}
    if batch == "cut" or (variant, batch) == ("a", "mixed"):
        found["input_map"] = torch.stack(steps.input_map)
    if (variant, batch) == ("a", "mixed"):
        entities = [len(document.mentions) for document in documents]
        found |= {name: torch.cat(getattr(steps, name)) for name in ("head_input", "tail_input")}
        contexts = zip(steps.contexts, entities, strict=True)
        found["context_diagonal"] = torch.cat([c[range(n), range(n)] for c, n in contexts])
        found["context_padding"] = torch.stack([c[-1, -1] for c in steps.contexts])
        found |= {f"{level}_of_document_1": maps[1] for level, maps in steps.levels.items() if level != "out"}
        found["unet_of_document_1"] = steps.unet[1]
        found["logits_at_height_48"] = build_model(golden, variant, 48)(documents).logits
    return {f"{variant}.{batch}.{name}": value for name, value in found.items()}


def losses(golden, variant, mode) -> tuple[dict[str, object], dict[str, torch.Tensor]]:
    """Of the batch `mixed`: loss and gradient norms, and the tensors that the golden values have of this step."""
    documents = golden.documents("mixed")
    model = build_model(golden, variant).train(mode == "train")
    logits = model(documents).logits
    labels = torch.cat([document.labels for document in documents])
    loss = build("balanced_softmax", golden.json["num_classes"] - 1)(ModelOutput(logits), labels)
    norms, grads = gradients(model, loss, lambda name: GROUPS.get(name.split(".")[0], "extractors_and_bilinear"))
    norms["grad_norm"] |= dict.fromkeys(POOLER, 0.0)
    found = {f"{mode}.grad.{name}": grads[name] for name in FULL_GRADIENTS}
    if mode == "train":
        found["train.logits"] = logits
        statistics = {n: b for n, b in model.named_buffers() if n.endswith(("running_mean", "running_var"))}
        found |= {f"train.after.{name}": value for name, value in statistics.items()}
    tensors = {f"{variant}.mixed.{name}": value for name, value in found.items()}
    return {"loss": loss.item(), **norms}, tensors


def test_every_golden_value(golden):
    values = {}
    for variant, batches in {"a": ["mixed", "cut", "long", "full"], "b": ["mixed", "cut"]}.items():
        for batch in batches:
            values |= outputs(golden, variant, batch)
    values |= outputs(golden, "a", "over", side=golden.json["batches"]["over"]["max_height"])
    numbers = {}
    for variant in ("a", "b"):
        for mode in ("eval", "train"):
            numbers[f"{variant}.mixed.{mode}"], tensors = losses(golden, variant, mode)
            values |= tensors
    hold(values, golden.expected)
    hold(numbers, golden.json["losses"])


@pytest.mark.parametrize("variant", ["a", "b"])
def test_float32_is_within_the_golden_tolerance(golden, variant):
    with torch.no_grad():
        logits = build_model(golden, variant).float()(golden.documents("mixed")).logits
    off = (logits - golden.expected[f"{variant}.mixed.logits"]).abs().max().item()
    assert off < 10 * golden.json["variants"][variant]["float32_error"]


def test_official_errors(golden):
    model = build_model(golden, "a")
    errors = golden.json["official_errors"]
    assert {name: error.split(":")[0] for name, error in errors.items()} == {"over": "IndexError", "one": "IndexError"}
    with pytest.raises(IndexError, match="index 42 is out of bounds"):
        model(golden.documents("over"))
    with pytest.raises(IndexError, match="too many indices for tensor of dimension 1"):
        model([of_one_entity(golden)])


@pytest.mark.parametrize("encoder", ENCODERS)
def test_parameters_at_published_size(golden, encoder):
    build_encoder, config = ENCODERS[encoder]
    with torch.device("meta"):
        model = DocuNet(BertConfig(hidden_size=config.hidden_size, num_attention_heads=16), classes=97)
        model.model = build_encoder(config)
    parts = {
        "encoder": model.model,
        "head_extractor": model.head_extractor,
        "tail_extractor": model.tail_extractor,
        "bilinear": model.bilinear,
        "liner": model.liner,
        **{f"unet.{name}": part for name, part in model.segmentation_net.named_children()},
        "total": model,
    }
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    assert counts == golden.json["parameters_at_published_size"][encoder]


def of_one_entity(golden):
    document = golden.documents("mixed")[0]
    return replace(document, mentions=document.mentions[:1], pairs=[], labels=document.labels[:0])


@torch.no_grad()
def test_repaired_any_size(golden):
    """A document that is too large gets a map of its own size, and changes no number of those beside it."""
    documents, large = golden.documents("mixed"), golden.documents("over")
    repaired = build_model(golden, "a", any_size=True)
    logits = repaired([*documents, *large, of_one_entity(golden)]).logits
    expected = golden.expected["a.mixed.logits"].double()
    torch.testing.assert_close(logits[: len(expected)], expected, atol=1e-6, rtol=1e-6)
    own_side = build_model(golden, "a", side=45)(large).logits
    torch.testing.assert_close(logits[len(expected) :], own_side)


@torch.no_grad()
def test_repaired_padding(golden):
    """Where a map has no padding all are the same; otherwise zeros are what an entity without mentions gives."""
    documents = golden.documents("mixed")
    published = build_model(golden, "a", side=12)(documents[2:3]).logits  # twelve entities
    torch.testing.assert_close(build_model(golden, "a", padding="cut")(documents[2:3]).logits, published)
    zeros = build_model(golden, "a", padding="zeros")
    missing = replace(documents[2], mentions=[*documents[2].mentions, []])
    torch.testing.assert_close(zeros(documents[2:3]).logits, build_model(golden, "a")([missing]).logits)
    assert not torch.allclose(zeros(documents).logits, golden.expected["a.mixed.logits"].double(), atol=1e-2)


@torch.no_grad()
def test_repaired_norm(golden):
    """Statistics of real cells only: the published ones where no cell is padding, and those of maps cut by hand."""
    for batch, same in (("full", True), ("mixed", False)):
        documents = golden.documents(batch)
        published, repaired = (build_model(golden, "a", norm_over=o).train() for o in ("all_cells", "real_cells"))
        steps = repaired(documents)
        assert torch.allclose(published(documents).logits, steps.logits) == same
    convolution, norm = repaired.segmentation_net.inc["conv"].double_conv[:2]
    cells = []
    for document, x in zip(documents, steps.input_map, strict=True):
        n = len(document.mentions)
        cells.append(convolution(x.permute(2, 0, 1))[:, :n, :n].flatten(1))
    before = build_model(golden, "a").segmentation_net.inc["conv"].double_conv[1].running_mean
    torch.testing.assert_close(norm.running_mean, 0.9 * before + 0.1 * torch.cat(cells, 1).mean(1))


def test_repaired_predictions():
    logits = torch.tensor([[9.0, 1, 2, 3], [9, 1, -2, -3], [0, 1, 2, 3], [9, -1, -1, -1]])
    published, repaired = predictions(logits, 2), predictions(logits, 2, na_takes_a_place=False)
    assert published.tolist() == torch.tensor([[0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0]]).bool().tolist()
    assert repaired.tolist() == torch.tensor([[0, 0, 1, 1], [0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0]]).bool().tolist()
