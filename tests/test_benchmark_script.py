"""scripts/benchmark.py runs, compares equal models, and writes what it measured."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_one_batch_of_a_tiny_encoder(tiny_encoder, tmp_path):
    output = tmp_path / "benchmark.json"
    options = ["--encoders", tiny_encoder, "--data", "data/synthetic/train.json", "--batches", "1", "--threads", "1"]
    sweeps = ["--scaling", "--entities", "3", "--tokens", "16", "--sizes", "2"]
    command = [sys.executable, "scripts/benchmark.py", *options, *sweeps, "--output", output]
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = json.loads(output.read_text())
    (measured,) = results["encoders"].values()
    assert measured["largest_difference_of_logits"] < 1e-4
    for work, documents in (("training", 4), ("evaluation", 8)):
        part = measured[work]
        assert part["documents"] == documents and part["ratio"] == pytest.approx(part["reference"] / part["fast"])
        assert f"{part['ratio']:.2f}" in done.stdout
    assert measured["training"]["floor"] > measured["evaluation"]["floor"] > 0
    stages = {"features", "collate", "encoder", "pooling", "classifier", "loss", "optimiser", "evaluation"}
    assert stages == measured["stages"].keys()
    assert [len(results["scaling"][sweep]) for sweep in ("entities", "tokens", "batch")] == [1, 1, 1]


@pytest.mark.slow
def test_too_few_documents(tiny_encoder, tmp_path):
    options = ["--encoders", str(tiny_encoder), "--data", "data/synthetic/dev.json", "--batches", "100"]
    output = str(tmp_path / "benchmark.json")
    done = subprocess.run(
        [sys.executable, "scripts/benchmark.py", *options, "--output", output], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2 and "60 documents, 800 are needed" in done.stderr and "Traceback" not in done.stderr
