"""Training with two processes on a CPU gives the numbers of one process, predicts every document once, writes one
checkpoint, and reports an error in one line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import torch
from transformers import LukeConfig, LukeModel

from docre.commands import train
from docre.core import cli
from docre.data.readers.docred import write_docred
from docre.documents import Prediction
from docre.errors import DocreError
from docre.models import load_tokenizer, precision
from docre.training.environment import launch_warnings
from docre.training.run import TrainingRun
from tests.children import Child, forks, free_port, together
from tests.conftest import ROOT
from tests.tiny import random_documents, save_tiny_encoder
from tests.training.test_resume import outcome
from tests.training.test_train import write_config

PATIENCE = 180  # seconds for a launcher to end, on a machine that may be busy
STEP = {"epochs": 1, "encoder_lr": 1e-3, "head_lr": 2e-2}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for seed, (split, size) in enumerate({"train": 16, "dev": 5, "test": 5}.items()):
        write_docred(folder / f"{split}.json", random_documents(size, seed=seed))
    save_tiny_encoder(folder / "still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return folder


def config(folder: Path, corpus: Path, encoder: Path, **training) -> Path:
    folder.mkdir(exist_ok=True)
    return write_config(folder / "c.yaml", corpus, encoder, training=STEP | training)


@pytest.fixture(scope="module")
def one(corpus, tmp_path_factory) -> Path:
    """The folder of a run with one process."""
    path = config(tmp_path_factory.mktemp("one"), corpus, corpus / "still", batch_size=4)
    train.main(["--config", str(path)])
    return path.parent / "run"


def same_as_one(run: Path, one: Path) -> None:
    """Check that the run of two processes in the folder `run` has the results of the run of one process in `one`."""
    first, second = (json.loads((folder / "metrics.json").read_text()) for folder in (one, run))
    for a, b in ((first["epochs"][0], second["epochs"][0]), (first["test"], second["test"])):
        for key in {"loss", "p", "r", "f1", "ign_f1"} & a.keys():
            assert b[key] == pytest.approx(a[key], rel=1e-5, abs=1e-5)
    (expected, got) = (json.loads((folder / "result.json").read_text()) for folder in (one, run))
    assert got == expected and len({entry["title"] for entry in got}) == 5
    assert sorted(p.name for p in run.iterdir()) == sorted(p.name for p in one.iterdir())


@forks
def test_two_processes_give_the_numbers_of_one(corpus, one, tmp_path):
    path = config(tmp_path / "two", corpus, corpus / "still", batch_size=2)
    children = together(["--config", str(path)], tmp_path)
    assert [child.wait() for child in children] == [0, 0], [child.text() for child in children]
    same_as_one(path.parent / "run", one)
    lines = [line for line in children[1].text().splitlines() if "[Gloo]" not in line]
    assert not lines  # only the first process prints


@forks
def test_two_processes_predict_with_one_model_in_one_precision(corpus, tmp_path):
    """Batch norms have other statistics in each process after a step, and one process may find bf16 faster."""

    def main(arguments: list[str]) -> None:
        real, rank = TrainingRun._predict, os.environ["RANK"]

        def predict(run: TrainingRun, split: str) -> list[Prediction]:
            found = real(run, split)
            buffers = [buffer.double().sum().item() for buffer in run.predictor.model.buffers()]
            (tmp_path / f"{split}-{rank}.json").write_text(json.dumps([buffers, run.predictor.precision]))
            return found

        TrainingRun._predict = predict
        precision.bf16_pays = lambda: rank == "1"
        train.main(arguments)

    path = config(tmp_path / "two", corpus, corpus / "still", batch_size=2)
    arguments = ["--config", str(path), "model={name: docunet, head_size: 8, block_size: 4, width: 4}"]
    children = together(arguments, tmp_path, main=main)
    assert [child.wait() for child in children] == [0, 0], [child.text() for child in children]
    for split in ("dev", "test"):
        first, second = (json.loads((tmp_path / f"{split}-{rank}.json").read_text()) for rank in range(2))
        assert first == second and first[1] == "fp32" and any(first[0])


@forks
def test_an_encoder_with_parameters_that_are_not_used(corpus, tmp_path):
    """LUKE's for its own entities, for example."""
    shutil.copytree(corpus / "still", tmp_path / "luke")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    vocabulary = load_tokenizer(str(tmp_path / "luke")).vocab_size
    LukeModel(LukeConfig(vocab_size=vocabulary, entity_vocab_size=4, entity_emb_size=4, **sizes)).save_pretrained(
        tmp_path / "luke"
    )
    path = config(tmp_path / "two", corpus, tmp_path / "luke", batch_size=4)
    children = together(["--config", str(path)], tmp_path)
    assert [child.wait() for child in children] == [0, 0], [child.text() for child in children]


@forks
def test_two_processes_stop_together_and_resume_exactly(corpus, tiny_encoder, tmp_path):
    """With dropout, so that the random state of each process matters."""
    outcomes = []
    for name in ("whole", "stopped"):
        path = config(tmp_path / name, corpus, tiny_encoder, batch_size=1, epochs=2)
        run = path.parent / "run"
        children = together(["--config", str(path)], tmp_path)
        if name == "stopped":
            while not (run / "log.jsonl").is_file() or '"step": 4' not in (run / "log.jsonl").read_text():
                assert children[0].poll() is None
                time.sleep(0.002)
            os.kill(children[1].pid, signal.SIGTERM)  # a signal to one process stops both
            assert [child.wait() for child in children] == [143, 143]
            assert "docre: stopped at step " in children[0].text() and len(list(run.glob("state-*"))) == 1
            with pytest.raises(DocreError, match="holds a run with another number of processes: 2, now 1"):
                train.main(["--config", str(path)])
            children = together(["--config", str(path)], tmp_path)
        assert [child.wait() for child in children] == [0, 0], [child.text() for child in children]
        outcomes.append(outcome(run))
    assert outcomes[0] == outcomes[1]


@forks
@pytest.mark.parametrize("killed", [0, 1])
def test_two_machines_one_of_which_is_lost(killed, corpus, tiny_encoder, tmp_path):
    """One process each, in folders of their own, with the run's folder shared. When one is killed the other ends in one
    line, and both go on where they were, also with evaluations within an epoch."""
    outcomes = []
    for name in ("whole", "lost"):
        settings = {"batch_size": 1, "epochs": 2, "save_every": 2, "evaluate_every": 3}
        path = config(tmp_path / name, corpus, tiny_encoder, **settings)
        run = path.parent / "run"
        children = machines(path, tmp_path)
        if name == "lost":
            while not list(run.glob("state-*")):
                assert children[0].poll() is None
                time.sleep(0.002)
            children[killed].kill()
            assert children[1 - killed].wait(60) == 2
            lines = children[1 - killed].text().splitlines()
            assert len([line for line in lines if "another process of this training has ended" in line]) == 1
            assert not any("Traceback" in line for line in lines)
            children = machines(path, tmp_path)
        assert [child.wait() for child in children] == [0, 0], [child.text() for child in children]
        outcomes.append(outcome(run))
    assert outcomes[0] == outcomes[1] and outcomes[0]["metrics"]["evaluations"]


def machines(path: Path, folder: Path) -> list[Child]:
    """The processes of a run on two machines."""
    port, made = free_port(), []
    for rank in range(2):
        here = folder / f"machine{rank}"
        here.mkdir(exist_ok=True)
        values = {"WORLD_SIZE": 2, "RANK": rank, "LOCAL_WORLD_SIZE": 1, "LOCAL_RANK": 0, "MASTER_PORT": port}
        environment = {"MASTER_ADDR": "127.0.0.1"} | {key: str(value) for key, value in values.items()}
        made.append(Child(["--config", str(path)], here / "out.txt", environment, lambda here=here: os.chdir(here)))
    return made


@forks
@pytest.mark.slow
def test_two_agents_of_torchrun_one_of_which_is_lost(corpus, tiny_encoder, tmp_path):
    """The command of docs/scaling.md on two machines. The first is lost, its agent with its process, and as a rule with
    it the address where they meet, so that the other's agent ends its own process at once: docre's line is still there
    between those of torchrun. The same command on both goes on."""
    settings = {"batch_size": 1, "epochs": 2, "save_every": 2}
    whole = config(tmp_path / "whole", corpus, tiny_encoder, **settings)
    assert [child.wait() for child in machines(whole, tmp_path)] == [0, 0]
    path = config(tmp_path / "lost", corpus, tiny_encoder, **settings)
    run = path.parent / "run"
    with agents(path, tmp_path) as started:
        while not list(run.glob("state-*")):
            assert all(agent.poll() is None for agent in started), texts(tmp_path)
            time.sleep(0.002)
        lost = [psutil.Process(started[0].pid), *psutil.Process(started[0].pid).children(recursive=True)]
        for process in lost:
            process.kill()
        assert len(lost) == 2
        assert started[1].wait(PATIENCE) != 0, texts(tmp_path)
    assert not (run / "metrics.json").exists()
    told = texts(tmp_path)[1].splitlines()
    assert len([line for line in told if "another process of this training has ended" in line]) == 1, told
    with agents(path, tmp_path) as started:
        assert [agent.wait(PATIENCE) for agent in started] == [0, 0], texts(tmp_path)
    assert sum("resuming from" in text for text in texts(tmp_path)) == 1
    assert outcome(run) == outcome(whole.parent / "run")


@contextmanager
def agents(path: Path, folder: Path) -> Iterator[list[subprocess.Popen]]:
    """The agents of torchrun on two machines, each in a folder of its own, where it prints into out.txt."""
    address = ["--rdzv_endpoint", f"127.0.0.1:{free_port()}", "--local_addr", "127.0.0.1"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc_per_node", "1"]
    command = [*torchrun, "--rdzv_backend", "c10d", *address, "-m", "docre.train", "--config", str(path)]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads()), "PYTHONPATH": str(ROOT)}
    made = []
    try:
        for rank in range(2):
            here = folder / f"machine{rank}"
            here.mkdir(exist_ok=True)
            with (here / "out.txt").open("w") as out:
                made.append(subprocess.Popen(command, cwd=here, stdout=out, stderr=out, env=environment))
        yield made
    finally:
        for agent in made:
            if agent.poll() is None:
                agent.terminate()  # ends its process too
                agent.wait(PATIENCE)


def texts(folder: Path) -> list[str]:
    """What each of two machines has printed."""
    return [(folder / f"machine{rank}" / "out.txt").read_text() for rank in range(2)]


@pytest.mark.slow
def test_accelerate_launches_two_processes(corpus, one, tmp_path):
    """The command in the README."""
    path = config(tmp_path / "two", corpus, corpus / "still", batch_size=2)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command = [*launch, "--main_process_port", "0", "-m", "docre.train", "--config", str(path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    same_as_one(path.parent / "run", one)


@pytest.mark.slow
def test_a_mistake_is_one_line_from_two_processes(corpus, tmp_path):
    path = config(tmp_path / "two", corpus, corpus / "still", batch_size=20)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*torchrun, "-m", "docre.train", "--config", str(path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode != 0 and not (path.parent / "run").exists()
    (line,) = [line for line in done.stderr.splitlines() if "docre: error" in line]
    assert "16 training documents are too few" in line


@forks
def test_a_mistake_of_another_process_alone_is_said_too(corpus, tmp_path):
    """A process other than the first waits for the launcher to end it, and prints its error if that does not happen."""
    path = config(tmp_path / "two", corpus, corpus / "still", batch_size=20)
    child = Child(
        ["--config", str(path), "training.epoch=1"],
        tmp_path / "out.txt",
        environment={"RANK": "1"},
        prepare=lambda: setattr(cli, "GRACE_PERIOD", 0.1),
    )
    assert child.wait() == 2 and "docre: error: " in child.text()


def test_a_launcher_that_starts_one_process_instead_of_two(monkeypatch):
    for name in ("RANK", "MASTER_PORT", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    assert launch_warnings(1) == []
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert launch_warnings(1) == []  # accelerate launch with one process
    monkeypatch.setenv("MASTER_PORT", "29500")
    (line,) = launch_warnings(1)
    assert "--multi_gpu" in line
    monkeypatch.setenv("RANK", "0")
    assert launch_warnings(2) == []
