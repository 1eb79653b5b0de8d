"""VaeDiff-DocRE's model and objective have the logits, losses and gradients of ../shared/golden/vaediff and of the slow
references, with and without generated pairs, published and repaired."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import BertConfig, BertModel

from docre.config.schema import WeightedTerm
from docre.data.collate import Collator, WindowPlan
from docre.errors import DocreError
from docre.losses import build
from docre.models import MODELS, Encoder
from docre.models.generator import Generator
from docre.models.generator.generator import Sizes
from docre.models.vaediff import COPIES, VaeDiff
from docre.tensors import Batch
from docre.training.objective import Objective
from tests.models.published.held_values import Golden
from tests.models.published.padded import Document
from tests.models.published.vaediff import BaseModel, classification_loss, contrastive_loss
from tests.models.test_fast_equals_reference import RELATIONS, batch_of, random_features
from tests.models.translate import documents_of, features_of, gradients, load, load_reference
from tests.tiny import sharpen, tiny_bert_config

WITHOUT_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
TERMS = [WeightedTerm(name="augmented"), WeightedTerm(name="contrastive")]


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    return Golden(shared / "golden" / "vaediff")


def golden_model(golden: Golden, **parameters) -> VaeDiff:
    given = golden.json
    sizes = {"head_size": given["emb_size"], "block_size": given["block_size"], "map_size": given["map_size"]}
    sizes |= {"axial_layers": given["axial_layers"], "axial_heads": given["axial_heads"]}
    encoder = Encoder(BertModel(BertConfig(**given["bert_config"], **WITHOUT_DROPOUT)))
    model = MODELS.build("vaediff", sizes | parameters, encoder, given["num_classes"])
    load(model, golden.weights("encoder", "classifier"))
    return model


def golden_documents(golden: Golden) -> list[Document]:
    return Document.batch(golden.json["batches"]["mixed"], golden.json["num_classes"])


def golden_batch(golden: Golden) -> Batch:
    """The pairs of two different entities; the published model computes all cells."""
    documents = golden_documents(golden)
    config = golden.json["bert_config"]
    plan = WindowPlan(512, (config["cls_token_id"],), (config["sep_token_id"],))
    return Collator(plan, golden.json["num_classes"] - 1)(features_of(documents, diagonal=False))


def off_diagonal(documents: list[Document]) -> Tensor:
    """Which cells of all documents are pairs of two different entities, bool [cells]."""
    return torch.tensor([head != tail for document in documents for head, tail in document.pairs])


def close(found: Tensor, expected: Tensor, name: str = "") -> None:
    """Within 1e-4 of the largest value."""
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * max(1, expected.abs().max().item()), msg=name)


def assert_norms(model: VaeDiff, expected: dict) -> None:
    """Of every gradient, by published names. What docre leaves out has none in the published code either."""
    found = gradients(model, list(expected["grad_norm"]))
    used = {name: norm for name, norm in expected["grad_norm"].items() if norm is not None}
    assert found.keys() == used.keys() and len(found) == len(list(model.parameters()))
    for name, norm in used.items():
        assert found[name].norm().item() == pytest.approx(norm, rel=3e-4, abs=1e-6 * expected["grad_norm_total"]), name


@pytest.mark.parametrize("training", [False, True])
def test_golden_logits(golden, training):
    model, batch = golden_model(golden).train(training), golden_batch(golden)
    kept = off_diagonal(golden_documents(golden))
    output = model(batch, frozenset({"representation"}))
    case = "_train" if training else ""
    close(output.logits, golden.expected[f"stage1.logits{case}"][kept])
    if training:
        close(output.auxiliaries["representation"], golden.expected["stage1.feature_train"][kept])
    else:
        chosen = build("pmt_em", golden.json["num_classes"] - 1).decide(output.logits, 4)
        assert torch.equal(chosen, golden.expected["stage1.relations_predicted"][kept][:, 1:].bool())


@pytest.mark.parametrize("repaired", [False, True])
def test_golden_first_stage(golden, repaired):
    """The repaired loss is `pemscl` without a contrastive term of its own."""
    model, batch = golden_model(golden).train(), golden_batch(golden)
    expected = golden.json["losses"]["stage1.train"]
    relations = golden.json["num_classes"] - 1
    loss = build("pemscl", relations, contrastive=0.0) if repaired else build("pmt_em", relations)
    total, parts = Objective(model, loss, [WeightedTerm(name="contrastive")])(batch)
    name = "classification_with_means_pair_by_pair" if repaired else "classification"
    assert parts[0].item() == pytest.approx(expected[name], rel=1e-4)
    assert parts[1].item() == pytest.approx(expected["contrastive"], rel=1e-4)
    if not repaired:
        assert total.item() == pytest.approx(expected["total"], rel=1e-4)
        total.backward()
        assert_norms(model, expected)


@pytest.mark.parametrize("case", ["first_epochs", "published", "every_step"])
def test_golden_third_stage(golden, case, monkeypatch):
    """With the features that test_generator holds to the golden noise."""
    batch = golden_batch(golden)
    model = golden_model(golden, generator="a generator").train()
    counts = golden.json["stage3"]["augmented_per_document"]
    if case != "first_epochs":
        by_document = golden.expected[f"stage3.{case}.feature"].split(counts)
        features = torch.cat([part.chunk(COPIES)[copy] for copy in range(COPIES) for part in by_document])
    monkeypatch.setattr(model, "load_generator", lambda labels: lambda labels, every_step: features)
    objective = Objective(model, build("pmt_em", golden.json["num_classes"] - 1), TERMS)
    objective.weighted = {term.name: term.model_copy(update={"from_epoch": 6}) for term in TERMS}
    objective.epoch = 5 if case == "first_epochs" else 6
    expected = golden.json["losses"][f"stage3.{case}"]
    total, parts = objective(batch)
    assert total.item() == pytest.approx(expected["total"], rel=1e-4)
    for name, part in zip(("classification", "classification_augmented", "contrastive"), parts, strict=False):
        assert part.item() == pytest.approx(expected.get(name, expected["total"]), rel=1e-4)
    total.backward()
    assert_norms(model, expected)
    given = {n: v for n, v in golden.expected.items() if n.startswith(f"stage3.{case}.grad.")}
    found = gradients(model, [name.split(".grad.")[1] for name in given])
    for name, gradient in given.items():
        close(found[name.split(".grad.")[1]], gradient, name)


def tiny_model(**parameters) -> VaeDiff:
    torch.manual_seed(0)
    encoder = Encoder(sharpen(BertModel(tiny_bert_config(**WITHOUT_DROPOUT))))
    sizes = {"head_size": 16, "block_size": 4, "axial_layers": 2, "axial_heads": 4, "map_size": 9}
    return MODELS.build("vaediff", sizes | parameters, encoder, RELATIONS + 1)


def reference_of(model: VaeDiff) -> BaseModel:
    config = tiny_bert_config(**WITHOUT_DROPOUT, cls_token_id=2, sep_token_id=3)
    reference = BaseModel(config, RELATIONS + 1, 16, 4, map_size=9, axial_layers=2, axial_heads=4)
    load_reference(reference, model)
    return reference


def save_generator(folder: Path) -> Path:
    torch.manual_seed(2)
    Generator(Sizes(hidden=32, relations=RELATIONS, latent=6, width=8, depth=1, heads=2, steps=4)).save(
        folder / "generator"
    )
    return folder


def all_cells(documents: list[Document]) -> Tensor:
    """The labels of all cells, row by row, [cells, relations]."""
    labels = []
    for document in documents:
        of_pair = dict(zip(map(tuple, document.pairs), document.labels, strict=True))
        n = len(document.mentions)
        none = torch.zeros(RELATIONS, dtype=torch.bool)
        labels += [of_pair.get((h, t), none) for h in range(n) for t in range(n)]
    return torch.stack(labels)


@pytest.mark.parametrize("stage", ["first", "third"])
@pytest.mark.parametrize("lengths", [[20], [30, 49, 25], [90, 40]])
def test_objective_equals_the_reference(stage, lengths, tmp_path):
    """Value and gradient of everything that a step optimizes."""
    entities = [5, 7, 3][: len(lengths)]
    first = stage == "first"
    model = tiny_model(**({} if first else {"generator": str(save_generator(tmp_path / "g")), "eval_generator": True}))
    reference = reference_of(model)
    features = random_features(lengths, entities, seed=4)
    batch, documents = batch_of(lengths, entities, seed=4), documents_of(features, RELATIONS)
    objective = Objective(model.train(), build("pmt_em", RELATIONS), TERMS[1:] if first else TERMS)
    torch.manual_seed(5)
    total, _ = objective(batch)

    labels = all_cells(documents)
    out = reference(documents, zero_padding=first)
    expected = classification_loss(out.logits, labels)
    representation, all_labels = out.feature, labels
    if not first:
        generator = Generator.load(tmp_path / "g" / "generator")
        torch.manual_seed(5)
        wanted = labels[labels.any(1)].repeat(COPIES, 1)
        generated = generator(wanted, every_step=False)
        expected = expected + classification_loss(reference.classifier(generated), wanted)
        representation, all_labels = torch.cat([out.feature, generated]), torch.cat([labels, wanted])
    expected = expected + contrastive_loss(representation, all_labels, zero=True)
    assert total.item() == pytest.approx(expected.item(), rel=1e-4)
    total.backward()
    expected.backward()
    found = gradients(model, [name for name, _ in reference.named_parameters()])
    for name, parameter in reference.named_parameters():
        if parameter.grad is not None and parameter.grad.abs().max() > 1e-5:
            torch.testing.assert_close(found[name], parameter.grad, atol=1e-3, rtol=2e-3, msg=name)


def test_generated_pairs_are_made_only_in_training_and_only_if_wanted(tmp_path):
    model = tiny_model(generator=str(save_generator(tmp_path / "g")))
    batch = batch_of([20, 30], [4, 5])
    names = frozenset({"augmented_logits", "augmented_labels", "augmented_representation"})
    wanted = names | {"representation"}
    assert model.eval()(batch, wanted).auxiliaries.keys() == {"representation"}
    assert not model.train()(batch).auxiliaries
    output = model(batch, wanted)
    assert output.auxiliaries.keys() == wanted
    positives = batch.labels[batch.labels.any(1)]
    assert torch.equal(output.auxiliaries["augmented_labels"], positives.repeat(2, 1))
    assert output.auxiliaries["augmented_logits"].shape == (2 * len(positives), RELATIONS + 1)
    assert not output.auxiliaries["augmented_representation"].requires_grad


def test_a_batch_without_a_relation_generates_nothing(tmp_path):
    from dataclasses import replace

    model = tiny_model(generator=str(save_generator(tmp_path / "g"))).train()
    batch = batch_of([20, 30], [4, 5])
    batch = replace(batch, labels=torch.zeros_like(batch.labels))
    for name in ("pmt_em", "atgl"):
        total, parts = Objective(model, build(name, RELATIONS), TERMS)(batch)
        assert total.isfinite() and parts[1] == parts[2] == 0


def test_the_generator_is_no_part_of_the_weights(tmp_path):
    plain, augmented = tiny_model(), tiny_model(generator=str(save_generator(tmp_path / "g"))).train()
    augmented(batch_of([20], [4]), TERMS_WANTED)
    assert plain.state_dict().keys() == augmented.state_dict().keys()
    assert sum(1 for _ in plain.parameters()) == sum(1 for _ in augmented.parameters())


TERMS_WANTED = frozenset({"augmented_logits"})


def test_dropout_while_sampling_unless_repaired(tmp_path):
    folder, labels = str(save_generator(tmp_path / "g")), torch.ones(3, RELATIONS, dtype=torch.bool)
    assert tiny_model(generator=folder).train().load_generator(labels).training
    assert not tiny_model(generator=folder, eval_generator=True).train().load_generator(labels).training


def test_an_untrained_generator_is_always_the_same():
    labels = torch.zeros(2, RELATIONS, dtype=torch.bool)
    first, second = (tiny_model(generator="untrained").load_generator(labels).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("trained", [True, False])
def test_reading_a_generator_draws_nothing(trained, tmp_path):
    """Otherwise a run that resumes, and reads it again, would go on with other random numbers."""
    model = tiny_model(generator=str(save_generator(tmp_path / "g")) if trained else "untrained")
    before = torch.get_rng_state()
    model.load_generator(torch.zeros(2, RELATIONS, dtype=torch.bool))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_generator_that_does_not_fit_is_refused_in_the_first_step(tmp_path):
    batch = batch_of([20], [4])
    with pytest.raises(DocreError, match=r"no manifest\.json"):
        tiny_model(generator=str(tmp_path / "none")).train()(batch)
    Generator(Sizes(hidden=32, relations=RELATIONS + 1, latent=6, width=8, depth=1, heads=2, steps=4)).save(
        tmp_path / "g" / "generator"
    )
    model = tiny_model(generator=str(tmp_path / "g")).train()
    with pytest.raises(DocreError, match=r"g/generator: a generator for relations 6, but this run has 5"):
        model(batch)
    assert model.eval()(batch).logits.isfinite().all()  # prediction does not need it


@pytest.mark.parametrize("loss", ["atl", "atgl", "pemscl"])
def test_any_loss_goes_with_generated_pairs(loss, tmp_path):
    model = tiny_model(generator=str(save_generator(tmp_path / "g"))).train()
    total, _ = Objective(model, build(loss, RELATIONS), TERMS)(batch_of([20, 30], [4, 5]))
    total.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
