"""Training on documents that stay on disk is bit for bit training on documents in memory, and needs no more memory for
more documents."""

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from docre.commands import train
from docre.config.loading import load_config
from docre.data.features import Featurizer
from docre.data.readers import READERS, read
from docre.data.readers.docred import to_json, write_docred
from docre.data.schema import LabelSchema
from docre.data.stored import LazyFeatures, StoredDocuments
from docre.errors import DocreError
from docre.models import load_tokenizer
from docre.training.corpus import read_corpus
from tests.children import Child, forks, together
from tests.conftest import ROOT
from tests.tiny import RELATIONS, random_document, random_documents
from tests.training.test_resume import outcome
from tests.training.test_train import write_config

TRAINING = {"epochs": 2, "batch_size": 2, "encoder_lr": 1e-3, "head_lr": 2e-2, "save_every": 3}
SIZES = {"train": 20, "dev": 4, "test": 3}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for seed, (split, size) in enumerate(SIZES.items()):
        write_docred(folder / f"{split}.json", random_documents(size, seed=seed))
    return folder


def config(folder: Path, corpus: Path, encoder: Path, stream: bool, reader: str = "docred", **training) -> Path:
    folder.mkdir(exist_ok=True)
    data = {split: str(corpus / f"{split}.json") for split in SIZES} | {"stream": stream, "reader": reader}
    return write_config(folder / "c.yaml", corpus, encoder, data=data, training=TRAINING | training)


@pytest.fixture(scope="module")
def whole(corpus, tiny_encoder, tmp_path_factory) -> dict:
    """The outcome of a run in memory."""
    path = config(tmp_path_factory.mktemp("whole"), corpus, tiny_encoder, stream=False)
    train.main(["--config", str(path)])
    return outcome(path.parent / "run")


@pytest.mark.parametrize("training", [{}, {"workers": 2}])
def test_streamed_is_bit_for_bit_in_memory(training, corpus, tiny_encoder, whole, tmp_path):
    path = config(tmp_path / "a", corpus, tiny_encoder, stream=True, **training)
    train.main(["--config", str(path)])
    assert outcome(path.parent / "run") == whole


def test_limits_and_accumulation(corpus, tiny_encoder, tmp_path):
    """Documents that are divided into pieces, and steps of several batches."""
    outcomes = []
    for stream in (False, True):
        folder = tmp_path / str(stream)
        path = config(
            folder,
            corpus,
            tiny_encoder,
            stream,
            epochs=1,
            accumulation_steps=2,
            max_pairs_per_batch=7,
            workers=int(stream),
        )
        train.main(["--config", str(path)])
        outcomes.append(outcome(folder / "run"))
    assert outcomes[0] == outcomes[1]


@forks
def test_killed_in_mid_epoch_it_resumes_exactly(corpus, tiny_encoder, whole, tmp_path):
    """Killed while streaming, resumed in memory, interrupted there and finished while streaming."""
    path = config(tmp_path / "a", corpus, tiny_encoder, stream=True, workers=1)
    run = path.parent / "run"
    child = Child(["--config", str(path)], tmp_path / "out.txt")
    while not list(run.glob("state-3")):
        assert child.poll() is None, child.text()
        time.sleep(0.001)
    child.kill()
    assert not (run / "metrics.json").exists()
    child = Child(["--config", str(path), "data.stream=false"], tmp_path / "out.txt")
    while not list(run.glob("state-1?")):
        assert child.poll() is None, child.text()
        time.sleep(0.001)
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait() == 143, child.text()
    train.main(["--config", str(path)])
    assert outcome(run) == whole


@forks
def test_two_processes(corpus, tiny_encoder, tmp_path):
    outcomes = []
    for stream in (False, True):
        path = config(tmp_path / str(stream), corpus, tiny_encoder, stream, batch_size=1)
        children = together(["--config", str(path)], tmp_path)
        assert [child.wait() for child in children] == [0, 0], [child.text() for child in children]
        outcomes.append(outcome(path.parent / "run"))
    assert outcomes[0] == outcomes[1]


def test_a_broken_document_is_named_before_training(corpus, tiny_encoder, tmp_path):
    documents = [to_json(document) for document in random_documents(20)]
    documents[13]["labels"][0]["h"] = 77
    for name in SIZES:
        (tmp_path / f"{name}.json").write_text((corpus / f"{name}.json").read_text())
    (tmp_path / "train.json").write_text(json.dumps(documents))
    messages = []
    for stream in (True, False):
        path = config(tmp_path / "a", tmp_path, tiny_encoder, stream)
        with pytest.raises(DocreError, match=r"train.json: document 'doc 13': label 0: head entity 77") as error:
            train.main(["--config", str(path)])
        messages.append(str(error.value))
        assert not (path.parent / "run").exists()
    assert messages[0] == messages[1]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_changes_while_it_is_read(workers, corpus, tiny_encoder, tmp_path, monkeypatch):
    for name in SIZES:
        (tmp_path / f"{name}.json").write_text((corpus / f"{name}.json").read_text())
    path = config(tmp_path / "a", tmp_path, tiny_encoder, stream=True, workers=workers)
    from docre.training.loop import Trainer

    run = Trainer.run

    def change_and_run(*arguments):
        write_docred(tmp_path / "train.json", random_documents(20, seed=7))
        run(*arguments)

    monkeypatch.setattr(Trainer, "run", change_and_run)
    with pytest.raises(DocreError) as error:
        train.main(["--config", str(path)])
    assert str(error.value) == f"{tmp_path / 'train.json'}: changed since the command began to read it"
    assert not multiprocessing.active_children()  # not even while the traceback is kept


def test_a_reader_of_whole_files_only(corpus, tiny_encoder, tmp_path):
    READERS.register("whole")(lambda path: read(path))
    try:
        path = config(tmp_path / "a", corpus, tiny_encoder, stream=True, reader="whole")
        with pytest.raises(DocreError, match=r"train.json: the reader 'whole' reads only whole files, so they cannot"):
            read_corpus(load_config(path))
    finally:
        READERS.unregister("whole")


JSONL = '\n{"text": "Ada slept.", "entities": [{"mentions": [[0, 3]]}]}\n\n{"title": "b", "text": "B", "entities": []}'
PAIRS = "{}\ta b|c\t1:CID:2\tL2R\tCROSS\t0-1\t1-2\tC1\ta\tChemical\t0\t1\t0\tD1\tc\tDisease\t2\t3\t1"


@pytest.mark.parametrize(
    ("reader", "content"),
    [
        ("docred", json.dumps([to_json(document) for document in random_documents(3)], indent=1)),
        ("docgnre", json.dumps([to_json(random_document(1)) | {"gpt_labels": [{"h": 0, "t": 1, "r": "P9"}]}])),
        ("jsonl", JSONL),
        ("jsonl", "\ufeff" + JSONL.strip()),
        ("cdr", PAIRS.format("1") + "\r\n" + PAIRS.format("2")),
    ],
)
def test_stored_documents_are_those_of_the_reader(tmp_path, reader, content):
    """One by one, from the end, by iteration, and in a copy that was pickled for another process."""
    path = tmp_path / "f"
    path.write_text(content)
    visited = []
    stored, expected = StoredDocuments(path, reader, visited.append), list(read(path, reader))
    assert expected and visited == list(stored) == list(pickle.loads(pickle.dumps(stored))) == expected
    assert [stored[i] for i in range(-1, -len(stored) - 1, -1)] == expected[::-1]
    with pytest.raises(IndexError):
        stored[len(stored)]


def test_features_on_demand(tmp_path, tiny_encoder):
    documents = random_documents(5)
    write_docred(tmp_path / "f", documents)
    featurize = Featurizer(load_tokenizer(str(tiny_encoder)), LabelSchema(RELATIONS))
    lazy = LazyFeatures(StoredDocuments(tmp_path / "f"), featurize, 20)
    for got, expected in zip(lazy, featurize(documents, 20), strict=True):
        assert repr(got) == repr(expected)


PEAK = """
import sys, torch
from itertools import islice
from docre.commands import train
from docre.core.memory import peak_memory
from docre.training.loop import Trainer

def few_steps(trainer, log, run):
    for batches, totals in islice(trainer.feed.steps(0), 3):
        trainer._step(totals, batches)
    print(peak_memory(torch.device("cpu")))
    sys.exit()

torch.set_num_threads(1)
Trainer.run = few_steps
train.main(["--config", sys.argv[1]])
"""


@pytest.mark.slow
def test_memory_does_not_depend_on_the_number_of_documents(tiny_encoder, tmp_path):
    """The peak of reading and checking all documents and of three optimizer steps."""
    text, peaks = json.dumps(to_json(random_document(1, entities=2, sentences=1))), {}
    for count in (1_000, 10_000):
        (tmp_path / "train.json").write_text(
            "[" + ",".join(text.replace("doc 1", f"doc {i}") for i in range(count)) + "]"
        )
        data = {"train": str(tmp_path / "train.json"), "stream": True}
        path = write_config(tmp_path / "c.yaml", tmp_path, tiny_encoder, data=data)
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", PEAK, str(path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        peaks[count] = float(done.stdout.split()[-1])
    assert peaks[10_000] < 1.1 * peaks[1_000], peaks
