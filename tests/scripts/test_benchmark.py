"""scripts/benchmark: it runs, compares equal models, and writes what it measured."""

import json
from multiprocessing import Pipe

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from docre.commands import predict
from docre.errors import DocreError
from docre.models import MODELS
from docre.models.bilinear import GroupedBilinear
from scripts.benchmark import corpus
from scripts.benchmark.__main__ import main
from scripts.benchmark.machine import caches, keeps_freed_memory
from scripts.benchmark.models import Fast, Published
from scripts.benchmark.process import Worker, serve
from scripts.benchmark.reference import Reference
from scripts.benchmark.scaling import scaling, scaling_table
from scripts.benchmark.stages import counting
from scripts.benchmark.workers import Settings
from tests.conftest import ROOT
from tests.models.small import small_sizes
from tests.tiny import save_tiny_encoder

DATA = str(ROOT / "data/synthetic/train.json")
# what `keeps_freed_memory` tells with glibc, with and without docre's settings; with another allocator None
KEPT, DEFAULT = (None, None) if keeps_freed_memory() is None else (True, False)


def settings_of(encoder, documents=4, **changes) -> Settings:
    return Settings(str(encoder), DATA, documents, 1, "cpu", "fp32", 1, 66, **changes)


@pytest.mark.slow
def test_one_batch_of_a_tiny_encoder(tiny_encoder, tmp_path, capsys):
    """The allocators are as they should be after all that the benchmark does, imports included."""
    output = tmp_path / "benchmark.json"
    main(["--encoders", str(tiny_encoder), "--data", DATA, "--batches", "1", "--threads", "1", "--output", str(output)])
    said = capsys.readouterr().out
    results = json.loads(output.read_text())
    (measured,) = results["encoders"].values()
    assert measured["largest_difference_of_logits"] < 1e-4
    for work, documents in (("training", 4), ("evaluation", 8)):
        part = measured[work]
        assert part["documents"] == documents and part["ratio"] == pytest.approx(part["reference"] / part["fast"])
        assert part["ratio_to_same_allocator"] == pytest.approx(part["same_allocator"] / part["fast"])
        for name in ("ratio", "ratio_to_same_allocator"):
            assert f"{part[name]:.2f}" in said
        assert part["same_allocator_megabytes"] > 0
    assert measured["training"]["floor"] > measured["evaluation"]["floor"] > 0
    stages = measured["stages"]
    assert list(stages) == ["features", "collate", "encoder", "pooling", "classifier", "loss", "optimizer"]
    for name, stage in stages.items():
        for side in ("reference", "same_allocator"):
            assert (stage[side] > 0) == (name != "collate")  # the reference's lists are given
        assert stage["fast"] > 0
        assert stage["fast_megabytes"] > 0 and stage["reference_megabytes"] >= 0
        assert (stage["floor"] > 0) == (name in ("encoder", "pooling", "classifier"))
    assert sum(stage["floor"] for stage in stages.values()) == pytest.approx(measured["training"]["floor"])
    assert measured["keeps_freed_memory"] == {"fast": KEPT, "reference": DEFAULT, "same_allocator": KEPT}
    assert output.with_suffix(".png").stat().st_size > 0
    assert results["machine"]["processor"] and results["machine"]["cores"] > 0


def test_sweeps(tiny_encoder, monkeypatch):
    class Here:
        """In place of a process."""

        def __init__(self, make, settings):
            monkeypatch.setattr(make, "keeps_memory", False)
            self.made = make(settings)

        def ask(self, name, *arguments):
            return getattr(self.made, name)(*arguments)

        def stop(self):
            pass

    monkeypatch.setattr("scripts.benchmark.scaling.Worker", Here)
    results = scaling(settings_of(tiny_encoder), [3], [16, 300], [2], repeats=1)
    assert [[(p["entities"], p["tokens"], p["batch"]) for p in points] for points in results.values()] == [
        [(3, 256, 1)],
        [(20, 16, 1), (20, 300, 1)],
        [(20, 256, 2)],
    ]
    assert all(p["seconds"] > 0 and p["all_pairs"] == p["batch"] * 380 for p in results["tokens"] + results["batch"])
    assert len(scaling_table(results).splitlines()) == 3 * 2 + 4


@pytest.mark.slow
@pytest.mark.skipif(KEPT is None, reason="a property of glibc")
@pytest.mark.parametrize(("side", "kept"), [(Published, False), (Fast, True)])
def test_only_the_side_that_is_to_have_docres_allocator_settings_has_them(side, kept, tmp_path):
    """In a side's own process, after all that the benchmark of models does in it."""
    encoder = save_tiny_encoder(tmp_path / "encoder", max_position_embeddings=512)
    worker = Worker(side, settings_of(encoder, model="docunet", parameters=small_sizes("docunet")))
    for method in ("first_logits", "train", "evaluate"):
        worker.ask(method, [0])
    found = worker.ask("keeps_freed_memory")
    worker.stop()
    assert found is kept


def test_caches_are_those_that_the_system_tells_of(tmp_path):
    for index, (level, kind, size) in enumerate([(1, "Data", "48K"), (1, "Instruction", "32K"), (2, "Unified", "2M")]):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        for name, value in {"level": level, "type": kind, "size": size, "shared_cpu_list": "0-1"}.items():
            (folder / name).write_text(f"{value}\n")
    assert caches(tmp_path) == {"L1": "48K of cores 0-1", "L2": "2M of cores 0-1"}
    assert caches(tmp_path / "missing") == {}


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"atlop"}))  # that one is in the main benchmark
def test_every_model_is_timed_against_a_reference_with_equal_logits(name, tmp_path):
    encoder = save_tiny_encoder(tmp_path / "encoder", max_position_embeddings=512)
    sizes = {key: size for key, size in small_sizes(name).items() if key != "map_size"}  # which limits the entities
    settings = settings_of(encoder, model=name, parameters=sizes)
    fast, published = (make(settings) for make in (Fast, Published))
    documents = range(1)
    torch.testing.assert_close(
        torch.from_numpy(fast.first_logits(documents)),
        torch.from_numpy(published.first_logits(documents)),
        atol=1e-4,
        rtol=1e-3,
    )
    assert all(side.train(documents)[0] > 0 for side in (fast, published))


@pytest.mark.parametrize("error", [None, DocreError("too few")])
def test_a_process_ends_quietly_when_the_parent_has_gone(error):
    def make(settings):
        if error:
            raise error

    parent, child = Pipe()
    parent.close()
    serve(child, make, None)


def test_floor_counts_every_matrix_product():
    """As defined, including products that are added in place and fused attention on a CPU."""
    pairs, groups, block, outputs = 7, 3, 4, 5
    bilinear = GroupedBilinear(groups * block, block, outputs)
    head, tail = (torch.randn(pairs, groups, block, requires_grad=True) for _ in range(2))
    with counting() as counter:
        logits = bilinear(head, tail)
    forward = 2 * pairs * groups * block**2 * outputs
    assert counter.get_total_flops() == forward
    with counting() as counter:
        logits.sum().backward()
    assert counter.get_total_flops() == 2 * forward + 2 * (2 * pairs * groups * block**2)
    q, k, v = (torch.randn(1, 2, length, 3) for length in (7, 9, 9))
    with counting() as counter, torch.inference_mode():
        scaled_dot_product_attention(q, k, v)
    assert counter.get_total_flops() == 2 * (2 * 2 * 7 * 9 * 3)


@pytest.mark.slow
def test_too_few_documents(tiny_encoder):
    worker = Worker(Reference, settings_of(tiny_encoder, documents=800))
    with pytest.raises(DocreError, match="300 documents, 800 are needed"):
        worker.ask("sizes", [0])
    worker.stop()


def test_a_corpus_is_predicted_both_ways(tmp_path, monkeypatch, capsys):
    """With the commands that the script starts, here in this process."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(corpus.subprocess, "run", lambda command, **_: predict.main(command[4:]))
    corpus.save_tiny_model(tmp_path / "model")
    checkpoint = ["--checkpoint", str(tmp_path / "model")]
    corpus.main([*checkpoint, "--only", "speeds", "--rounds", "1", "--documents", "40"])
    *_, first, last = capsys.readouterr().out.splitlines()
    assert last == f"median of each: {first}" and "streamed" in last


def test_medians_of_a_corpus(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    documents = iter([1, 10, 1, 7, 2, 20, 2, 11, 1, 4, 1, 10])  # seconds of 10 and of 100 documents, in turns
    monkeypatch.setattr(corpus, "seconds", lambda *arguments: next(documents))
    monkeypatch.setattr(corpus, "engines", lambda *arguments: pytest.fail("not asked for"))
    monkeypatch.setattr(corpus, "memory", lambda *arguments: pytest.fail("not asked for"))
    corpus.main(["--checkpoint", "c", "--only", "speeds", "--documents", "100"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "10.0 documents/s in memory, 15.0 streamed (150%)" and len(lines) == 4
    assert lines[-1] == "median of each: 10.0 documents/s in memory, 10.0 streamed (150%)"
    for wrong in (["--only", "engines"], ["--rounds", "0"]):
        with pytest.raises(SystemExit, match="2"):
            corpus.main(wrong)
