"""docre import-checkpoint: published weights become checkpoints that predict the same; files with code are refused."""

import json
import pickle
import resource
import struct
import zipfile
from copy import copy
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
from docre.inference import torch_file
from docre.inference.pickled import DTYPES
from docre.inference.published import read_state_dict
from docre.inference.torch_file import MAGIC, PROTOCOL
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


def imported(weights: Path, config: Path, output: Path, *overrides: str):
    import_checkpoint.main(["--weights", str(weights), "--config", str(config), "--output", str(output), *overrides])
    return docre.load(output, "cpu")


def logits(model, documents: list[Document], bert_config) -> torch.Tensor:
    plan = WindowPlan(
        bert_config["max_position_embeddings"], (bert_config["cls_token_id"],), (bert_config["sep_token_id"],)
    )
    return model.output(Collator(plan, len(model.schema.relations))(features_of(documents))).logits


@pytest.mark.parametrize(("case", "layers"), [("atlop_last_layer", 1), ("mean_of_last_3_layers", 3)])
def test_atlop_gives_the_golden_logits(case, layers, atlop, tmp_path, capsys):
    """With the hidden states and attention of the last layer, as ATLOP reads them, and of three, as ATGL does."""
    weights, config, golden = atlop
    model = imported(weights, config, tmp_path / "checkpoint", f"encoder.averaged_layers={layers}")
    assert "atlop with" in capsys.readouterr().out
    assert model.schema.relations[0] == "P1" and model.config.encoder.averaged_layers == layers
    for name in ("short", "long_two_windows"):
        batch = golden["batches"][name]
        expected = torch.tensor(batch["expected"][case]["logits"])
        given = {key: batch[key] for key in ("input_ids", "entity_pos", "pairs")}
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


def test_ttm_re_gives_the_golden_logits_batch_by_batch(shared, tmp_path):
    """Whose pairs attend to each other across the documents of a batch: three that follow each other, as published. By
    length other documents would be together."""
    folder = shared / "golden" / "ttm_re"
    golden = json.loads((folder / "ttm_re.json").read_text())
    save_file(
        load_file(folder / "encoder.safetensors") | load_file(folder / "ttm_re.safetensors"), tmp_path / "w.safetensors"
    )
    model = {"name": "ttm_re", "head_size": golden["emb_size"], "block_size": golden["block_size"]}
    model |= model_parameters("ttm_re", golden, "")
    relations = golden["num_classes"] - 1
    config = write_config(tmp_path, golden["bert_config"], relations, model, 1)
    batch = ["evaluation.batch_size=3", "evaluation.order=file"]
    made = imported(tmp_path / "w.safetensors", config, tmp_path / "checkpoint", *batch)
    bert = golden["bert_config"]
    made.collate = Collator(WindowPlan(512, (bert["cls_token_id"],), (bert["sep_token_id"],)), relations)
    expected = load_file(folder / "expected.safetensors")
    cases = ("many", "mixed")
    features = [f for name in cases for f in features_of(Document.batch(golden["batches"][name], relations + 1))]
    wanted = torch.cat([expected[f"{name}.logits"] for name in cases]).float()

    def logits_in_order(order: str) -> torch.Tensor:
        predictor = docre.load(tmp_path / "checkpoint", "cpu", [f"evaluation.order={order}"])
        predictor.collate = made.collate
        rows: dict[tuple[int, int], torch.Tensor] = {}

        def keep(document, pair, output, batch) -> None:
            rows.update(zip(zip(document.tolist(), pair.tolist(), strict=True), output.logits, strict=True))

        predictor.run_model(features, keep, "x")
        return torch.stack([rows[key] for key in sorted(rows)])

    assert made.config.evaluation.order == "file"
    torch.testing.assert_close(logits_in_order("file"), wanted, atol=1e-4, rtol=0)
    assert (logits_in_order("length") - wanted).abs().max() > 1e-3


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


def contents() -> list[Any]:
    """What training code saves: tensors of any type and layout, as such or in a checkpoint with other things."""
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    table = torch.arange(12.0).reshape(3, 4)
    views = {"a": table, "b": table.T, "c": table[1:], "d": table[:, ::2], "e": torch.nn.Parameter(table)}
    types = {str(dtype): table.to(dtype) for dtype in DTYPES.values()}
    sizes = {"none": torch.zeros(0), "one": torch.tensor(3), "empty": torch.zeros(2, 0)}
    optimizer = torch.optim.Adam(module.parameters())
    module(table.T[:, :3]).sum().backward()
    optimizer.step()
    training = {"epoch": 3, "optimizer": optimizer.state_dict(), "state_dict": module.state_dict()}
    return [module.state_dict(), views, types, sizes, training]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("content", contents())
def test_the_tensors_are_those_that_torch_reads(content, zipped, tmp_path):
    torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    expected = torch.load(tmp_path / "x.pt", weights_only=True)
    expected = expected.get("state_dict", expected)
    found = read_state_dict(tmp_path / "x.pt")
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and found[name].stride() == tensor.stride()
        assert torch.equal(found[name], tensor)


NUMBER = struct.pack("<q", 1 << 31)
STORAGE = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" + b"0X\x03\0\0\0cpuK\x02tQ"
EXPANDED = b"ctorch._utils\n_rebuild_tensor\n(" + STORAGE + b"K\0\x8a\x08" + NUMBER + b"K\x02\x86K\0K\x01\x86tR"
BOMBS = {
    "bytearray": b"c__builtin__\nbytearray\n\x8a\x08" + NUMBER + b"\x85R",
    "new bytearray": b"c__builtin__\nbytearray\n\x8a\x08" + NUMBER + b"\x85\x81",
    "storage": b"ctorch.storage\nUntypedStorage\n\x8a\x08" + NUMBER + b"\x85R",
    "tensor": b"ctorch\nTensor\n\x8a\x08" + NUMBER + b"\x85R",
    "mapping of a tensor": b"ccollections\nOrderedDict\n" + EXPANDED + b"\x85R",
    "attributes of a tensor": b"ccollections\nOrderedDict\n)R" + EXPANDED + b"b",
    "a key that takes an age to hash": b"}K\x01" + b"q\0h\0\x86" * 60 + b"K\x01s",
    "a storage that takes an age to hash": STORAGE.replace(b"X\x01\0\0\x000", b"K\x01" + b"q\0h\0\x86" * 60),
    "beyond its storage": EXPANDED.replace(b"K\0K\x01\x86tR", b"K\x02K\x01\x86tR"),
    "many objects": b"}" * (5 << 20),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", BOMBS)
def test_no_file_takes_more_memory_or_time_than_its_size_explains(name, zipped, tmp_path):
    program = b"\x80\x02}X\x01\0\0\0a" + BOMBS[name] + b"s."
    path = tmp_path / "bomb.pt"
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x/data.pkl", program)
            archive.writestr("x/data/0", bytes(8))
    else:
        head = [pickle.dumps(part, 2) for part in (MAGIC, PROTOCOL, {"little_endian": True})]
        storages = pickle.dumps(["0"], 2) + struct.pack("<q", 2) + bytes(8)
        path.write_bytes(b"".join(head) + program + storages)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DocreError, match=r"bomb\.pt: not a (plain )?file of weights: "):
        read_state_dict(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # KiB


HOSTILE = b"\x80\x02}X\x01\0\0\0a" + BOMBS["bytearray"] + b"s."


def test_torch_finds_records_whatever_the_case_of_their_names(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/data.PKL", HOSTILE)
    with pytest.raises(DocreError, match=r"more than dense tensors: __builtin__\.bytearray"):
        read_state_dict(tmp_path / "x.pt")


def test_an_archive_with_two_directories_is_refused(tmp_path):
    """Python finds a directory that is before the end of the file, torch one that is where the file says."""
    torch.save({"a": torch.zeros(2)}, tmp_path / "good.pt")
    with zipfile.ZipFile(tmp_path / "bad.pt", "w") as archive:
        archive.writestr("good/data.pkl", HOSTILE)
    good, bad = (tmp_path / "good.pt").read_bytes(), (tmp_path / "bad.pt").read_bytes()
    (tmp_path / "x.pt").write_bytes(bad + good)  # the offsets in `good` are too small by the length of `bad`
    assert zipfile.ZipFile(tmp_path / "x.pt").namelist() == zipfile.ZipFile(tmp_path / "good.pt").namelist()
    with pytest.raises(DocreError, match="its directory is not where it says"):
        read_state_dict(tmp_path / "x.pt")


def test_what_torch_would_read_is_what_was_looked_at(tmp_path, monkeypatch):
    """Were the archive's own pickle not found, torch's would still be looked through."""
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/data.pkl", HOSTILE)
        archive.writestr("x/version", "3")
    monkeypatch.setattr(torch_file, "check_zip", lambda archive, path: None)
    with pytest.raises(DocreError, match=r"more than dense tensors: __builtin__\.bytearray"):
        read_state_dict(tmp_path / "x.pt")


def test_records_that_overlap_are_refused(tmp_path):
    """Many names for the same bytes."""
    torch.save({str(i): torch.zeros(1000) for i in range(9)}, tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as old, zipfile.ZipFile(tmp_path / "bomb.pt", "w") as new:
        for member in old.infolist():
            if not member.filename.endswith(tuple("12345678")):
                new.writestr(member.filename, old.read(member))
        first = next(member for member in new.infolist() if member.filename.endswith("data/0"))
        for i in range(1, 9):
            other = copy(first)
            other.filename = first.filename[:-1] + str(i)
            new.filelist.append(other)
    with pytest.raises(DocreError, match="records that take more than the file"):
        read_state_dict(tmp_path / "bomb.pt")


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
        (torch.zeros(shape).to_sparse(), r"more than dense tensors: torch\._utils\._rebuild_sparse_tensor"),
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
