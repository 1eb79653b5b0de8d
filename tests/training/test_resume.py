"""A run that was killed or interrupted resumes exactly when it is started again, or is refused with the reason."""

import json
import os
import random
import signal
import time
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml

from docre.commands import train
from docre.config.loading import load_config
from docre.core import files
from docre.core import manifests as folders
from docre.core.manifests import check_folder, remove
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.inference.predictor import Predictor
from docre.training import launch
from docre.training.loop import Trainer
from tests.children import Child, forks
from tests.tiny import random_documents
from tests.training.test_train import write_config

TRAINING = {"epochs": 2, "batch_size": 2, "encoder_lr": 1e-3, "head_lr": 2e-2, "save_every": 3}  # 10 steps an epoch


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for seed, (split, size) in enumerate({"train": 20, "dev": 4, "test": 3}.items()):
        write_docred(folder / f"{split}.json", random_documents(size, seed=seed))
    return folder


def config(folder: Path, corpus: Path, encoder: Path, dev: bool = True, **training) -> Path:
    folder.mkdir(exist_ok=True)
    data = {split: str(corpus / f"{split}.json") for split in ("train", "dev", "test") if dev or split != "dev"}
    changes = {"data": data, "training": TRAINING | training}
    return write_config(folder / "c.yaml", corpus, encoder, **changes)


def outcome(run: Path) -> dict:
    """Everything that a finished run leaves in its folder, except times, memory, the digest of a config that names the
    folder, and log lines about interruptions."""
    check_folder(run / "best")
    metrics = json.loads((run / "metrics.json").read_text())
    del metrics["training_seconds"], metrics["peak_memory_mb"], metrics["checkpoint"]
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    log = [
        {key: value for key, value in line.items() if key != "seconds"}
        for line in log
        if line["event"] not in ("resume", "end") and "skipped a damaged saved state" not in line.get("message", "")
    ]
    files = ["result.json", "best/model.safetensors", "best/relations.json"]
    left = sorted(path.name for path in run.iterdir())
    return {"metrics": metrics, "log": log, "left": left} | {name: (run / name).read_bytes() for name in files}


@pytest.fixture(scope="module")
def whole(corpus, tiny_encoder, tmp_path_factory) -> dict[bool, dict]:
    """The outcome of an uninterrupted run, with dev documents (True) and without (False)."""
    outcomes = {}
    for dev in (True, False):
        folder = tmp_path_factory.mktemp("whole")
        train.main(["--config", str(config(folder, corpus, tiny_encoder, dev))])
        outcomes[dev] = outcome(folder / "run")
    return outcomes


def slow_writing() -> None:
    """Slow down writing in the child process, so that a signal can be sent while it writes."""
    real = folders.sync
    folders.sync = lambda path: (time.sleep(0.01), real(path))  # type: ignore[func-returns-value]


def signal_while_writing(pattern: str) -> None:
    """Send this process a SIGTERM when it first writes a file or folder of this name."""
    real, sent = files.sync, list[Path]()

    def sync(path: Path) -> None:
        if not sent and any(fnmatch(part, pattern) for part in path.parts):
            sent.append(path)
            print("a signal while this is written:", path)
            os.kill(os.getpid(), signal.SIGTERM)
        real(path)

    files.sync = folders.sync = sync


def text_of(path: Path) -> str:
    """The text of a file; none if it is not there, or the child removes it just now."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


@forks
@pytest.mark.slow
@pytest.mark.parametrize("dev", [True, False])
def test_killed_ten_times_it_ends_as_if_never_killed(dev, corpus, tiny_encoder, whole, tmp_path):
    """kill -9 at random moments, also while a state or checkpoint is being written. Without dev the checkpoint has the
    last weights; with dev there are scores of every epoch."""
    rng = random.Random(dev)
    kills = writing = trial = 0
    while kills < 10:
        trial += 1
        path = config(tmp_path / str(trial), corpus, tiny_encoder, dev)
        run, code = path.parent / "run", None
        while code is None:
            child = Child(["--config", str(path)], tmp_path / "out.txt", prepare=slow_writing)
            if kills == 10:
                code = child.wait()
                break
            lines, at_a_write = rng.randrange(1, 5), bool(rng.randrange(2))
            seen = text_of(run / "log.jsonl").count("\n")
            while (code := child.poll()) is None:
                log = text_of(run / "log.jsonl")
                if log.count("\n") >= seen + lines and (not at_a_write or list(run.glob(".*.tmp"))):
                    time.sleep(rng.uniform(0, 0.005 if at_a_write else 0.06))
                    child.kill()
                    kills += 1
                    writing += bool(list(run.glob(".*.tmp")))
                    break
                time.sleep(0.0003)
        assert code == 0, child.text()
        assert outcome(run) == whole[dev]
    assert writing >= 2


@forks
@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupts_save_and_say_how_to_continue(number, expected, corpus, tiny_encoder, whole, tmp_path):
    path = config(tmp_path / "a", corpus, tiny_encoder)
    run = path.parent / "run"
    child = Child(["--config", str(path)], tmp_path / "out.txt")
    while not (run / "log.jsonl").is_file() or '"step": 4' not in (run / "log.jsonl").read_text():
        assert child.poll() is None
        time.sleep(0.001)
    os.kill(child.pid, number)
    assert child.wait() == expected
    (saved,) = run.glob("state-*")
    last = child.text().splitlines()[-1]
    assert last.startswith(f"docre: stopped at step {saved.name.removeprefix('state-')}. ")
    assert last.endswith(f"The state is saved in {saved}: the same command resumes from there")
    assert "Traceback" not in child.text()
    train.main(["--config", str(path)])
    assert outcome(run) == whole[True]


@forks
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [(".state-*.tmp", 143), (".best.*.tmp", 143), (".result.zip.*.tmp", 0), (".metrics.*.tmp", 0)],
)
def test_a_signal_while_something_is_written(pattern, expected, corpus, tiny_encoder, whole, tmp_path):
    """Writing is finished first. If only the last files are left to write, the run ends as without the signal."""
    path = config(tmp_path / "a", corpus, tiny_encoder)
    run = path.parent / "run"
    child = Child(["--config", str(path)], tmp_path / "out.txt", prepare=partial(signal_while_writing, pattern))
    assert child.wait() == expected and "Traceback" not in child.text()
    assert child.text().count("a signal while this is written") == 1
    assert not [p for p in run.iterdir() if folders.LEFTOVER.fullmatch(p.name)]
    if expected:
        train.main(["--config", str(path)])
    assert outcome(run) == whole[True]


@forks
def test_a_run_that_sleeps_keeps_its_folder(corpus, tiny_encoder, whole, tmp_path):
    """While a run is suspended (SIGSTOP, as when a laptop is closed), no other process may use its folder; then the run
    continues."""
    path = config(tmp_path / "a", corpus, tiny_encoder)
    run = path.parent / "run"
    child = Child(["--config", str(path)], tmp_path / "out.txt")
    while not (run / "log.jsonl").exists():
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGSTOP)
    second = Child(["--config", str(path)], tmp_path / "second.txt")
    assert second.wait() == 2 and "another process is writing there" in second.text()
    os.kill(child.pid, signal.SIGCONT)
    assert child.wait() == 0 and outcome(run) == whole[True]


def test_the_clock_may_go_back_and_a_dead_process_leave_its_lock(
    corpus, tiny_encoder, whole, tmp_path, monkeypatch, capsys
):
    """The newest state is that of the most steps, whatever its modification time; times come from a monotonic clock;
    the lock of a dead process does not count, even if its process id is in use again. The path is not ASCII."""
    path = config(tmp_path / "ein Lauf – Füße 数据", corpus, tiny_encoder)
    run = stopped(path, monkeypatch)
    for p in run.rglob("*"):
        os.utime(p, (0, 0))
    (run / ".lock").write_text(f"{os.getpid()}\n1\n")
    now = [4e9]

    def backwards() -> float:
        now[0] -= 3600
        return now[0]

    monkeypatch.setattr(time, "time", backwards)
    capsys.readouterr()
    train.main(["--config", str(path)])
    monkeypatch.undo()
    assert f"resuming from {run}/state-20" in capsys.readouterr().out
    assert outcome(run) == whole[True]
    seconds = [json.loads(line)["seconds"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert 0 <= min(seconds) and max(seconds) < 600
    assert 0 < json.loads((run / "metrics.json").read_text())["training_seconds"] < 600


@pytest.mark.parametrize("output", ["n" * 300, "/sys/docre", "file/run"])
def test_a_folder_that_cannot_be_made_is_said_before_training(output, corpus, tiny_encoder, tmp_path, monkeypatch):
    if output.startswith("/sys") and not Path("/sys").is_dir():
        pytest.skip("needs /sys")
    (tmp_path / "file").write_text("")
    path = config(tmp_path / "a", corpus, tiny_encoder)
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("trained"))
    with pytest.raises(DocreError, match=r"(n{300}|docre|run): cannot write: "):
        train.main(["--config", str(path), f"output={tmp_path / output}"])


@forks
def test_a_signal_ends_an_evaluation_at_once(corpus, tiny_encoder, whole, tmp_path):
    def signaled(predictor, features, progress=False):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    path = config(tmp_path / "a", corpus, tiny_encoder)
    child = Child(
        ["--config", str(path)], tmp_path / "out", prepare=lambda: setattr(Predictor, "predict_features", signaled)
    )
    assert child.wait(30) == 143
    assert "docre: stopped while evaluating. The state is saved in" in child.text()
    train.main(["--config", str(path)])
    assert outcome(path.parent / "run") == whole[True]


def stopped(path: Path, monkeypatch, epoch: int = 2) -> Path:
    """Start a run, interrupt it when it is about to evaluate the given epoch, and return its folder."""

    def broken(run, number, loss):
        if number == epoch:
            raise KeyboardInterrupt
        return after_epoch(run, number, loss)

    from docre.training.run import TrainingRun

    after_epoch = TrainingRun.after_epoch
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "after_epoch", broken)
        with pytest.raises(KeyboardInterrupt):
            train.main(["--config", str(path)])
    return path.parent / "run"


def test_another_run_is_refused_and_can_be_restarted(corpus, tiny_encoder, tmp_path, monkeypatch, capsys):
    path = config(tmp_path / "a", corpus, tiny_encoder)
    run = stopped(path, monkeypatch)
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    for override, message in (
        ("training.head_lr=3e-2", "training.head_lr was 0.02, now it is 0.03"),
        ("loss.name=atl", "loss.name was 'atgl', now it is 'atl'"),
        (f"data.dev={corpus}/test.json", "data.dev was"),
    ):
        with pytest.raises(DocreError, match="holds a run with another config") as error:
            train.main(["--config", str(path), override])
        assert message in str(error.value) and "--restart" in str(error.value)
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    capsys.readouterr()
    train.main(["--config", str(path), "training.max_pairs_per_batch=1000", "training.workers=1"])
    captured = capsys.readouterr()
    assert "docre: warning: training.max_pairs_per_batch was None, now it is 1000: the result" in captured.err
    assert f"resuming from {run}/state-20: step 20, epoch 2/2" in captured.out
    first = json.loads((run / "metrics.json").read_text())
    train.main(["--config", str(path), "--restart", "training.head_lr=3e-2"])
    second = json.loads((run / "metrics.json").read_text())
    assert first["epochs"] != second["epochs"] and len(second["epochs"]) == 2


def test_a_run_of_an_earlier_docre_resumes(corpus, tiny_encoder, tmp_path, monkeypatch, capsys, whole):
    """A run saved when evaluation.max_tokens did not exist and evaluation.max_pairs_per_batch had no default bound."""
    path = config(tmp_path / "a", corpus, tiny_encoder)
    run = stopped(path, monkeypatch)
    values = yaml.safe_load((run / "config.yaml").read_text())
    del values["evaluation"]["max_tokens"]
    values["evaluation"]["max_pairs_per_batch"] = None
    (run / "config.yaml").write_text(yaml.safe_dump(values))
    capsys.readouterr()
    train.main(["--config", str(path)])
    captured = capsys.readouterr()
    assert "warning: evaluation.max_pairs_per_batch was None, now it is 16384: the result" in captured.err
    assert f"resuming from {run}/state-20: step 20, epoch 2/2" in captured.out
    found, expected = outcome(run), dict(whole[True])
    del found["log"], expected["log"]  # the log has the warning
    assert found == expected


def test_changed_data_is_another_run(corpus, tiny_encoder, tmp_path, monkeypatch):
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.json").write_bytes((corpus / f"{split}.json").read_bytes())
    path = config(tmp_path / "a", tmp_path, tiny_encoder)
    stopped(path, monkeypatch)
    write_docred(tmp_path / "train.json", random_documents(20, seed=8))
    with pytest.raises(DocreError, match=r"a/run holds a run with another data\.train file: [0-9a-f]{16}, now"):
        train.main(["--config", str(path)])


def test_a_finished_run_says_so(corpus, tiny_encoder, tmp_path, capsys):
    path = config(tmp_path / "a", corpus, tiny_encoder, epochs=1)
    first = launch.train(load_config(path))
    capsys.readouterr()
    before = {p: p.stat().st_mtime_ns for p in (path.parent / "run").rglob("*") if p.is_file() and p.name != ".lock"}
    assert launch.train(load_config(path)) == json.loads(json.dumps(first))
    out = capsys.readouterr().out
    assert f"{path.parent}/run is finished: nothing to do (--restart trains again)" in out
    assert "macro F1" in out and "Ign (without train)" in out
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_a_damaged_state_is_skipped(corpus, tiny_encoder, tmp_path, monkeypatch, capsys, whole):
    path = config(tmp_path / "a", corpus, tiny_encoder)
    run = stopped(path, monkeypatch)
    assert [p.name for p in run.glob("state-*")] == ["state-20"]  # older ones are removed
    tensors = run / "state-20" / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1])
    (run / ".state-30.abcdefgh.tmp").mkdir()
    (run / ".best.a_1b2c3d.old" / "best").mkdir(parents=True)
    (run / ".config.yaml.abcdefgh.tmp").write_text("")
    capsys.readouterr()
    train.main(["--config", str(path)])
    assert f"warning: skipped a damaged saved state: {tensors}: torn or changed: " in capsys.readouterr().err
    assert outcome(run) == whole[True]  # what killed runs left is removed


def test_the_newest_intact_state_is_used(corpus, tiny_encoder, tmp_path, monkeypatch, capsys, whole):
    import shutil

    path = config(tmp_path / "a", corpus, tiny_encoder)
    run = stopped(path, monkeypatch, epoch=1)
    shutil.copytree(run / "state-10", run / "state-9")
    shutil.copytree(run / "state-10", run / "state-100")
    (run / "state-100" / "values.json").write_text("{}")
    capsys.readouterr()
    train.main(["--config", str(path)])
    captured = capsys.readouterr()
    assert "state-100/values.json: torn or changed" in captured.err
    assert f"resuming from {run}/state-10: step 10, epoch 1/2" in captured.out
    assert outcome(run) == whole[True]


@forks
def test_two_processes_do_not_share_a_folder(corpus, tiny_encoder, tmp_path):
    path = config(tmp_path / "a", corpus, tiny_encoder)
    first = Child(["--config", str(path)], tmp_path / "first.txt")
    while not (path.parent / "run" / "log.jsonl").exists():
        time.sleep(0.002)
    second = Child(["--config", str(path)], tmp_path / "second.txt")
    assert second.wait() == 2
    assert second.text().splitlines()[-1] == f"docre: error: {path.parent}/run: another process is writing there"
    assert first.wait() == 0


@pytest.mark.parametrize("moment", ["training", "evaluating dev", "evaluating test"])
@pytest.mark.parametrize("what", ["run", "run/log.jsonl", "run/config.yaml"])
def test_what_is_removed_meanwhile_fails_the_run(what, moment, corpus, tiny_encoder, tmp_path, monkeypatch):
    """The run neither writes into a new folder of the same name, nor lists files that do not exist."""
    path = config(tmp_path, corpus, tiny_encoder, epochs=1)
    owner, name = (Trainer, "_step") if moment == "training" else (Predictor, "predict_features")
    method, left = getattr(owner, name), [{"training": 3, "evaluating dev": 1, "evaluating test": 2}[moment]]

    def removing(*arguments, **keywords):
        left[0] -= 1
        if not left[0]:
            remove(tmp_path / what)
        return method(*arguments, **keywords)

    monkeypatch.setattr(owner, name, removing)
    with pytest.raises(DocreError, match=r"run/(log\.jsonl|config\.yaml): removed or replaced while"):
        train.main(["--config", str(path)])
    assert not (tmp_path / what).exists() and not (tmp_path / "run" / "metrics.json").exists()


def test_prediction_draws_nothing_from_the_global_generator(corpus, tiny_encoder, tmp_path):
    """Otherwise an evaluation would change the training that follows."""
    import docre
    from docre.data.readers import read

    path = config(tmp_path / "a", corpus, tiny_encoder, epochs=1)
    train.main(["--config", str(path)])
    model, before = docre.load(tmp_path / "a" / "run", device="cpu"), torch.get_rng_state()
    model.predict(read(corpus / "test.json"))
    assert torch.equal(torch.get_rng_state(), before)
