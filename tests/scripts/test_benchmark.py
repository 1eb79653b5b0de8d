"""scripts/benchmark: it runs, compares equal models, and writes what it measured."""

import json
import subprocess
import sys
from multiprocessing import Pipe

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from docre.errors import DocreError
from docre.models import MODELS
from docre.models.bilinear import GroupedBilinear
from scripts.benchmark.machine import caches, keeps_freed_memory
from scripts.benchmark.models import Fast, Published
from scripts.benchmark.process import Worker, serve
from scripts.benchmark.reference import Reference, ReferenceKeepingMemory
from scripts.benchmark.stages import counting
from scripts.benchmark.workers import Settings, Subject
from tests.conftest import ROOT
from tests.tiny import save_tiny_encoder

# what `keeps_freed_memory` tells with glibc, with and without docre's settings; with another allocator None
KEPT, DEFAULT = (None, None) if keeps_freed_memory() is None else (True, False)


@pytest.mark.slow
def test_one_batch_of_a_tiny_encoder(tiny_encoder, tmp_path):
    output = tmp_path / "benchmark.json"
    options = ["--encoders", tiny_encoder, "--data", "data/synthetic/train.json", "--batches", "1", "--threads", "1"]
    sweeps = ["--scaling", "--entities", "3", "--tokens", "16", "--sizes", "2"]
    command = [sys.executable, "-m", "scripts.benchmark", *options, *sweeps, "--output", output]
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = json.loads(output.read_text())
    (measured,) = results["encoders"].values()
    assert measured["largest_difference_of_logits"] < 1e-4
    for work, documents in (("training", 4), ("evaluation", 8)):
        part = measured[work]
        assert part["documents"] == documents and part["ratio"] == pytest.approx(part["reference"] / part["fast"])
        assert part["ratio_to_same_allocator"] == pytest.approx(part["same_allocator"] / part["fast"])
        for name in ("ratio", "ratio_to_same_allocator"):
            assert f"{part[name]:.2f}" in done.stdout
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
    assert [len(results["scaling"][sweep]) for sweep in ("entities", "tokens", "batch")] == [1, 1, 1]


@pytest.mark.slow
@pytest.mark.skipif(KEPT is None, reason="a property of glibc")
@pytest.mark.parametrize(
    ("side", "model", "kept"),
    [
        (Reference, "atlop", False),
        (Published, "docunet", False),
        (ReferenceKeepingMemory, "atlop", True),
        (Subject, "atlop", True),
        (Fast, "docunet", True),
    ],
)
def test_only_the_sides_that_are_to_have_docres_allocator_settings_have_them(side, model, kept, tmp_path):
    """In a side's own process, after all that the benchmark does in it, imports included."""
    encoder = save_tiny_encoder(tmp_path / "encoder", max_position_embeddings=512)
    settings = Settings(str(encoder), str(ROOT / "data/synthetic/train.json"), 1, 1, "cpu", "fp32", 1, 66, model)
    worker = Worker(side, settings)
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
    settings = Settings(str(encoder), str(ROOT / "data/synthetic/train.json"), 4, 1, "cpu", "fp32", 1, 66, name)
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
def test_too_few_documents(tiny_encoder, tmp_path):
    options = ["--encoders", str(tiny_encoder), "--data", "data/synthetic/dev.json", "--batches", "100"]
    output = str(tmp_path / "benchmark.json")
    command = [sys.executable, "-m", "scripts.benchmark", *options, "--output", output]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "60 documents, 800 are needed" in done.stderr and "Traceback" not in done.stderr
