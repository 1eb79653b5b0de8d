"""docre import-checkpoint: published weights become checkpoints that predict the same; files with code are refused."""

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel, BertTokenizer

import docre
from docre.commands import import_checkpoint
from docre.data.collate import Collator, WindowPlan
from docre.errors import DocreError
from docre.inference.published import read_state_dict
from tests.models.published.padded import Document
from tests.models.translate import features_of


def write_encoder(folder: Path, bert_config: dict[str, Any]) -> Path:
    """An encoder of this architecture with other weights, and some tokenizer."""
    config = BertConfig(**bert_config)
    BertModel(config).save_pretrained(folder)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "*", *(f"w{i}" for i in range(config.vocab_size - 6))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def write_config(folder: Path, bert_config, relations: int, model: dict[str, Any], layers: int) -> Path:
    rel2id = {"Na": 0, **{f"P{i}": i for i in range(1, relations + 1)}}
    (folder / "rel2id.json").write_text(json.dumps(rel2id))
    values = {
        "output": "unused",
        "data": {"train": "unused.json", "relations": str(folder / "rel2id.json")},
        "encoder": {"name": str(write_encoder(folder / "encoder", bert_config)), "averaged_layers": layers},
        "model": model,
        "loss": {"name": "atl"},
        "training": {"precision": "fp32"},
    }
    (folder / "c.yaml").write_text(yaml.safe_dump(values))
    return folder / "c.yaml"


@pytest.fixture
def atlop(fixtures, tmp_path):
    """(the golden ATLOP's file of weights as torch saves it, its config, its JSON)."""
    golden = json.loads((fixtures / "atlop" / "atlop.json").read_text())
    torch.save(load_file(fixtures / "atlop" / "atlop.safetensors"), tmp_path / "model.pt")
    model = {"name": "atlop", "head_size": golden["emb_size"], "block_size": golden["block_size"]}
    return (
        tmp_path / "model.pt",
        write_config(tmp_path, golden["bert_config"], golden["num_classes"] - 1, model, 1),
        golden,
    )


def imported(weights: Path, config: Path, output: Path):
    import_checkpoint.main(["--weights", str(weights), "--config", str(config), "--output", str(output)])
    return docre.load(output, "cpu")


def logits(model, documents: list[Document], bert_config) -> torch.Tensor:
    plan = WindowPlan(
        bert_config["max_position_embeddings"], (bert_config["cls_token_id"],), (bert_config["sep_token_id"],)
    )
    return model.output(Collator(plan, len(model.schema.relations))(features_of(documents))).logits


def test_atlop_gives_the_golden_logits(atlop, tmp_path, capsys):
    weights, config, golden = atlop
    model = imported(weights, config, tmp_path / "checkpoint")
    assert "atlop with" in capsys.readouterr().out
    assert model.schema.relations[0] == "P1"
    for name in ("short", "long_two_windows"):
        case = golden["batches"][name]
        expected = torch.tensor(case["expected"]["atlop_last_layer"]["logits"])
        given = {key: case[key] for key in ("input_ids", "entity_pos", "pairs")}
        documents = Document.batch(given, golden["num_classes"])
        found = logits(model, documents, golden["bert_config"])
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["dreeam", "docunet", "kd_docre", "ttm_re"])
def test_other_models_give_their_golden_logits(name, shared, tmp_path):
    """The weights under their published names, the head at the names of ../shared/golden/<name>/README.md."""
    from docre.models import MODELS

    if name not in MODELS:
        pytest.skip(f"no model {name!r} yet")
    folder = shared / "golden" / name
    golden = json.loads((folder / f"{name}.json").read_text())
    variant, case = {"docunet": ("a", "mixed"), "kd_docre": ("layers6", "mixed")}.get(name, ("", "mixed"))
    weights = load_file(folder / "encoder.safetensors")
    if name == "docunet":  # whose encoder has another prefix in published checkpoints
        weights = {f"bert_{key}": value for key, value in weights.items()}
    weights |= load_file(folder / f"{'docunet_a' if name == 'docunet' else name}.safetensors")
    torch.save({"state_dict": {f"module.{key}": value for key, value in weights.items()}}, tmp_path / "model.pt")
    relations = golden["num_classes"] - 1
    model = {"name": name, "head_size": golden["emb_size"], "block_size": golden["block_size"]}
    model |= model_parameters(name, golden, variant)
    layers = golden.get("averaged_layers", 1)
    config = write_config(tmp_path, golden["bert_config"], relations, model, layers)
    made = imported(tmp_path / "model.pt", config, tmp_path / "checkpoint")
    expected = load_file(folder / "expected.safetensors")
    prefix = f"{variant}.{case}" if variant else case
    documents = Document.batch(golden["batches"][case], golden["num_classes"])
    wanted = expected[f"{prefix}.logits"]
    if name == "kd_docre":  # whose pairs are all cells, the diagonal included, which docre leaves out
        off = torch.cat([torch.tensor([h != t for h, t in d.pairs]) for d in documents])
        wanted = wanted[off]
        documents = [without_diagonal(d) for d in documents]
    torch.testing.assert_close(logits(made, documents, golden["bert_config"]), wanted.float(), atol=1e-4, rtol=0)


def model_parameters(name: str, golden: dict[str, Any], variant: str) -> dict[str, Any]:
    """The other sizes of a golden model, as parameters of docre's."""
    if name == "ttm_re":
        sizes = {"memory_size": "memory_size", "layers": "memory_layers", "heads": "memory_heads"}
        return {own: golden[theirs] for own, theirs in sizes.items()}
    if name == "docunet":
        sizes = {
            "channels": "unet_in_dim",
            "map_features": "unet_out_dim",
            "width": "down_dim",
            "map_size": "max_height",
        }
        return {own: golden["variants"][variant][theirs] for own, theirs in sizes.items()}
    return {}


def without_diagonal(document: Document) -> Document:
    kept = [i for i, (head, tail) in enumerate(document.pairs) if head != tail]
    labels = document.labels[kept]
    return Document(document.input_ids, document.mentions, [document.pairs[i] for i in kept], labels)


RAN: list[str] = []


def run() -> None:
    RAN.append("code")


class Malicious:
    def __reduce__(self):
        return run, ()


CONTENTS = [Malicious(), {"bilinear.weight": Malicious()}, {"a": torch.zeros(2), "b": Malicious()}]


@pytest.mark.parametrize("save", [lambda x, p: torch.save(x, p), lambda x, p: p.write_bytes(pickle.dumps(x))])
@pytest.mark.parametrize("content", CONTENTS)
def test_code_in_a_file_is_refused_and_never_runs(content, save, atlop, tmp_path):
    _, config, _ = atlop
    save(content, tmp_path / "evil.pt")
    RAN.clear()
    with pytest.raises(DocreError, match=r"evil\.pt: not a (plain )?file of weights"):
        imported(tmp_path / "evil.pt", config, tmp_path / "checkpoint")
    assert not RAN and not (tmp_path / "checkpoint").exists()
    if zipfile.is_zipfile(tmp_path / "evil.pt"):
        torch.load(tmp_path / "evil.pt", weights_only=False)
    else:
        pickle.loads((tmp_path / "evil.pt").read_bytes())
    assert RAN, "the file would run code"


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x02}q\x00.", b"\x80\x02K\x01."])
def test_damaged_files(content, tmp_path):
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(DocreError, match=r"x\.pt: "):
        read_state_dict(tmp_path / "x.pt")
    with pytest.raises(DocreError, match=r"missing\.pt"):
        read_state_dict(tmp_path / "missing.pt")


def test_compressed_records_are_refused(atlop, tmp_path):
    """A zip that unpacks to a thousand times its size."""
    weights, _, _ = atlop
    with zipfile.ZipFile(weights) as old, zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    with pytest.raises(DocreError, match="compressed records"):
        read_state_dict(tmp_path / "bomb.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("bilinear.bias"), "bilinear.bias is missing"),
        (lambda w: w.update(other=torch.zeros(1)), "it has no other"),
        (lambda w: w.update({"bilinear.bias": torch.zeros(3)}), r"bilinear.bias is \[3\], expected"),
        (lambda w: w["bilinear.bias"].fill_(torch.nan), "bilinear.bias has values that are not finite"),
    ],
)
def test_weights_that_do_not_fit(change, message, atlop, tmp_path):
    weights, config, _ = atlop
    tensors = torch.load(weights, weights_only=True)
    change(tensors)
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(DocreError, match=message):
        imported(tmp_path / "w.safetensors", config, tmp_path / "checkpoint")
    assert not (tmp_path / "checkpoint").exists()


def test_tensors_without_values(atlop, tmp_path):
    """A file of some bytes with a tensor that seems to have terabytes, and one that is sparse."""
    weights, config, _ = atlop
    tensors = torch.load(weights, weights_only=True)
    shape = tensors["bilinear.bias"].shape
    for wrong, message in (
        (torch.zeros(1).half().expand(10**6, 10**6), "another size or number of relations"),
        (torch.zeros(shape).to_sparse(), "bilinear.bias is no dense tensor"),
    ):
        torch.save(tensors | {"bilinear.bias": wrong}, tmp_path / "w.pt")
        with pytest.raises(DocreError, match=message):
            imported(tmp_path / "w.pt", config, tmp_path / "checkpoint")


def test_nothing_but_a_checkpoint_is_replaced(atlop, tmp_path):
    weights, config, _ = atlop
    before = sorted(tmp_path.rglob("*"))
    for output in (tmp_path, weights):
        with pytest.raises(DocreError, match=r"this would replace what is there \(.*choose another name"):
            imported(weights, config, output)
    assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "new").mkdir()
    for _ in range(2):
        imported(weights, config, tmp_path / "new")


def test_the_order_of_the_relations_is_asked_for(atlop, tmp_path):
    weights, config, _ = atlop
    with pytest.raises(DocreError, match=r"data\.relations is needed"):
        import_checkpoint.main(
            ["--weights", str(weights), "--config", str(config), "--output", "x", "data.relations=null"]
        )
