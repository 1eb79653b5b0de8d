"""Ray: the same parts as one process writes, bit for bit, though a raylet and the driver are killed.

Ten kills at random times: python -m tests.corpus.test_ray 10
"""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from docre.data.readers.docred import write_docred
from docre.inference import checkpoint
from tests.conftest import ROOT
from tests.corpus.test_corpus import run, written
from tests.inference.test_predictor import make
from tests.tiny import random_documents, save_tiny_encoder

LIMIT = 300  # seconds


@contextmanager
def cluster(nodes: int) -> Iterator[object]:
    """A cluster of so many nodes with a CPU each."""
    os.environ |= {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    from ray.cluster_utils import Cluster

    memory = {"object_store_memory": 80 << 20, "num_cpus": 1}
    made = Cluster(initialize_head=True, head_node_args=memory | {"include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            made.add_node(**memory)
        yield made
    finally:
        made.shutdown()


def start(saved: Path, source: Path, output: Path, address: str, *options: str) -> subprocess.Popen:
    """The command, as a process, in another folder than the cluster's, with paths that are relative to it."""
    folder = output.parent
    names = [os.path.relpath(path, folder) for path in (saved, source, output)]
    command = [sys.executable, "-m", "docre", "predict", "--checkpoint", names[0], "--input", names[1]]
    command += ["--output", f"{names[2]}/", "--part-size", "7", "--threads", "1", "--engine", "ray", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_ADDRESS": address}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, env=environment, cwd=folder, text=True, **pipes)


def parts(output: Path) -> int:
    return len(list(output.glob("part-*")))


def kill_often(saved: Path, source: Path, folder: Path, kills: list[tuple[str, int]]) -> None:
    """Predict on a cluster, kill the driver or the second raylet whenever so many parts are there, and compare what
    is there in the end with what one process writes."""
    run(saved, source, folder / "alone")
    output = folder / "out"
    with cluster(2) as nodes:
        process = start(saved, source, output, nodes.address)
        for what, when in sorted(kills, key=lambda kill: kill[1]):
            until = time.monotonic() + LIMIT
            while parts(output) < when and process.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            if what == "driver":
                process.kill()
                process.wait()
                process = start(saved, source, output, nodes.address)
            else:
                nodes.remove_node(nodes.list_all_nodes()[-1], allow_graceful=False)
                nodes.add_node(num_cpus=1, object_store_memory=80 << 20)
            print(f"killed a {what} with {parts(output)} of {parts(folder / 'alone')} parts", flush=True)
        said = process.communicate(timeout=LIMIT)[0]
    assert process.returncode == 0, said
    assert written(output) == written(folder / "alone")


def prepare(folder: Path, documents: int) -> tuple[Path, Path]:
    """A checkpoint, and a corpus in two files."""
    saved, source = folder / "saved", folder / "in"
    checkpoint.save(make(save_tiny_encoder(folder / "encoder"), data={"train": "t"}), saved)
    for i in range(2):
        write_docred(source / f"{i}.json", random_documents(documents, seed=i))
    return saved, source


def test_a_raylet_and_the_driver_are_killed(tmp_path):
    pytest.importorskip("ray")
    saved, source = prepare(tmp_path, 140)
    kill_often(saved, source, tmp_path, [("raylet", 4), ("driver", 12)])


def test_the_reason_of_a_failure_is_told(tmp_path):
    pytest.importorskip("ray")
    saved, source = prepare(tmp_path, 3)
    bad = json.loads((source / "1.json").read_text())
    bad[1]["sents"] = "no list"
    (source / "1.json").write_text(json.dumps(bad))
    with cluster(1) as nodes:
        process = start(saved, source, tmp_path / "out", nodes.address, "--strict")
        said = process.communicate(timeout=LIMIT)[0]
    assert process.returncode == 2
    assert re.search(r"^docre: error: Ray: .*1\.json: document .*: expected a list in 'sents'", said, re.MULTILINE), (
        said
    )


if __name__ == "__main__":
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as made:
        saved_model, corpus = prepare(Path(made), 1400)
        times = [(rng.choice(["raylet", "driver"]), rng.randrange(390)) for _ in range(int(sys.argv[1]))]
        kill_often(saved_model, corpus, Path(made), times)
        print(f"{parts(Path(made) / 'out')} parts, each equal to that of one process")
