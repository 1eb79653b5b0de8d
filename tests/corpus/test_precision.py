"""The precision of a corpus: one for all workers and all starts."""

import json
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from docre.commands import extract
from docre.config.entities import EntityConfig
from docre.corpus import ray_engine, shards
from docre.corpus.precision import resolve_here, settle
from docre.corpus.shards import Output
from docre.corpus.worker import Job
from docre.data.readers.docred import write_docred
from docre.entities import checkpoint as entities
from docre.entities import finder
from docre.entities.finder import EntityFinder
from docre.errors import DocreError
from docre.models import load_tokenizer, precision
from tests.corpus import test_corpus
from tests.corpus.test_corpus import written
from tests.tiny import random_documents, tiny_bert

AUTO = "training.precision=auto"
PLUGIN = """
from multiprocessing import current_process
from docre.models import precision

if current_process().name != "MainProcess":  # of two workers one has an even number
    precision.bf16_pays = lambda: int(current_process().name.rpartition("-")[2]) % 2 == 0
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """24 documents."""
    folder = tmp_path_factory.mktemp("corpus")
    write_docred(folder / "a.json", random_documents(24))
    return folder


@pytest.fixture(scope="module")
def whole(saved, corpus, tmp_path_factory) -> dict[str, dict[str, bytes]]:
    """What is written in each precision."""
    folder = tmp_path_factory.mktemp("whole")
    for name in ("fp32", "bf16"):
        run(saved, corpus, folder / name, f"training.precision={name}")
    found = {name: written(folder / name) for name in ("fp32", "bf16")}
    parts = {name for name in found["fp32"] if name.startswith("part-")}
    assert len(parts) == 4 and all(found["fp32"][name] != found["bf16"][name] for name in parts)
    return found


def run(saved: Path, corpus: Path, output: Path, *options: str) -> None:
    """Predict, with margins, which tell the precisions apart."""
    test_corpus.run(saved, corpus, output, "--fields", "confidence", *options)


def manifest(output: Path) -> dict:
    return json.loads((output / "manifest.json").read_text())


def begin(saved: Path, corpus: Path, output: Path, *options: str) -> None:
    """Predict the first part, and die."""
    original = shards.Output.commit

    def dying(self, name, *rest):
        if name.endswith("00001"):
            raise KeyboardInterrupt
        original(self, name, *rest)

    with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(shards.Output, "commit", dying)
        run(saved, corpus, output, *options)
    assert len(list(output.glob("part-*"))) == 1 and not manifest(output)["complete"]


def measure(monkeypatch, pays: bool) -> None:
    monkeypatch.setattr(precision, "bf16_pays", lambda: pays)


@pytest.mark.parametrize(("pays", "expected"), [(True, "bf16"), (False, "fp32")])
def test_workers_that_measure_differently(pays, expected, saved, corpus, whole, tmp_path, monkeypatch, capsys):
    measure(monkeypatch, pays)
    (tmp_path / "measures_by_process.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    run(saved, corpus, tmp_path / "out", "--processes", "2", "--plugins", "measures_by_process", AUTO)
    assert written(tmp_path / "out") == whole[expected]
    assert manifest(tmp_path / "out")["precision"] == [expected]
    assert f"{tmp_path / 'out'}: predicting in {expected}\n" in capsys.readouterr().out


@pytest.mark.parametrize(("pays", "expected"), [(True, "bf16"), (False, "fp32")])
def test_a_second_start_goes_on_in_the_precision_of_the_first(
    pays, expected, saved, corpus, whole, tmp_path, monkeypatch
):
    measure(monkeypatch, pays)
    begin(saved, corpus, tmp_path / "out", AUTO)
    monkeypatch.setattr(precision, "bf16_pays", lambda: pytest.fail("measured without need"))
    other = "fp32" if expected == "bf16" else "bf16"
    with pytest.raises(DocreError, match=rf'precision was \["{expected}"\], now it is \["{other}"\]: choose another'):
        run(saved, corpus, tmp_path / "out", f"training.precision={other}")
    run(saved, corpus, tmp_path / "out", AUTO)
    assert written(tmp_path / "out") == whole[expected]
    run(saved, corpus, tmp_path / "out", f"training.precision={expected}")  # complete: the same by name
    with pytest.raises(DocreError, match="precision was"):
        run(saved, corpus, tmp_path / "out", f"training.precision={other}")


def test_a_precision_in_which_nothing_was_predicted_is_replaced(saved, corpus, whole, tmp_path, monkeypatch):
    with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(shards.Output, "commit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        run(saved, corpus, tmp_path / "out", "training.precision=bf16")
    assert manifest(tmp_path / "out")["precision"] == ["bf16"]
    measure(monkeypatch, False)
    run(saved, corpus, tmp_path / "out", AUTO)
    assert written(tmp_path / "out") == whole["fp32"] and manifest(tmp_path / "out")["precision"] == ["fp32"]


@pytest.mark.parametrize("change", [AUTO, "training.precision=bf16"])
def test_a_folder_of_an_earlier_version(change, saved, corpus, whole, tmp_path, monkeypatch):
    """Its manifest has the precision as a change, if at all; auto is then what it is now, and is recorded."""
    begin(saved, corpus, tmp_path / "out", "training.precision=bf16")
    earlier = {key: value for key, value in manifest(tmp_path / "out").items() if "precision" not in key}
    (tmp_path / "out/manifest.json").write_text(json.dumps(earlier | {"changes": [change]}))
    if change != AUTO:
        with pytest.raises(DocreError, match=r'precision was \["bf16"\], now it is \["fp32"\]'):
            run(saved, corpus, tmp_path / "out", "training.precision=fp32")
    measure(monkeypatch, change == AUTO)
    run(saved, corpus, tmp_path / "out", AUTO)
    assert written(tmp_path / "out") == whole["bf16"] and manifest(tmp_path / "out")["precision"] == ["bf16"]


def test_fp16_needs_a_gpu(saved, corpus, tmp_path):
    begin(saved, corpus, tmp_path / "out", AUTO)
    recorded = manifest(tmp_path / "out") | {"precision": ["fp16"]}
    (tmp_path / "out/manifest.json").write_text(json.dumps(recorded))
    with pytest.raises(DocreError, match="out: was predicted in fp16, which needs a GPU: choose another folder"):
        run(saved, corpus, tmp_path / "out", AUTO)


def test_each_checkpoint_has_its_own(saved, tmp_path):
    """Of an ensemble, one of which was trained in fp32 by name."""
    from docre.inference import checkpoint

    second = checkpoint.load(saved, "cpu", [AUTO])
    checkpoint.save(second, tmp_path / "auto")
    job = Job((str(saved), str(tmp_path / "auto")), Output(f"{tmp_path}/out/", "jsonl"), {"text": False})
    assert settle(job, lambda setting, ahead: "bf16")[0].precision == ("fp32", "bf16")


def test_the_tagger_has_one_too(tiny_encoder, saved, tmp_path, monkeypatch):
    values = {"task": "entities", "output": "o", "data": {"train": "t"}, "encoder": {"name": "e"}}
    made = EntityFinder(EntityConfig.model_validate(values), ["A"], load_tokenizer(str(tiny_encoder)), tiny_bert())
    entities.save(made, tmp_path / "entities")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("w1 met w2 .")
    used = []
    original = finder.autocast
    monkeypatch.setattr(finder, "autocast", lambda name, device: used.append(name) or original(name, device))
    command = ["--checkpoint", str(saved), "--tagger", "joint", f"{tmp_path}/in", "--output", f"{tmp_path}/out/"]
    measure(monkeypatch, True)
    extract.main([*command, f"tagger.run={tmp_path}/entities"])
    assert used and set(used) == {"bf16"} and manifest(tmp_path / "out")["tagger_precision"] == "bf16"
    assert manifest(tmp_path / "out")["precision"] == ["fp32"]


def test_a_gpu_of_the_cluster_decides(monkeypatch):
    """Whatever the machine of the command has; CPUs featurize."""
    asked = []

    class Ray:
        """Notes what a task was given."""

        def remote(self, function):
            assert function is resolve_here
            return SimpleNamespace(options=lambda **share: asked.append(share) or SimpleNamespace(remote=str.upper))

        def get(self, found):
            return found

    pytest.importorskip("ray")
    monkeypatch.setattr(ray_engine, "cluster", lambda: (Ray(), 2, 8))
    assert [ray_engine.resolve_on_ray("auto", ahead) for ahead in (False, True)] == ["AUTO", "AUTO"]
    assert [share.get("num_gpus", 0) for share in asked] == [1, 0]
