"""What an earlier start left in a run's folder, compared with what is asked for now."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from docre.commands import train
from docre.config.loading import load_config
from docre.data.readers.docred import write_docred
from docre.data.schema import count_labels, load_schema
from docre.errors import DocreError
from docre.training import folder
from docre.training.run import TrainingRun
from docre.training.stages import Standing
from docre.training.stages.train import Train
from tests.tiny import random_documents
from tests.training.test_train import write_config


@pytest.fixture(scope="module")
def finished(tiny_encoder, tmp_path_factory) -> Path:
    """The config of a finished run with a loss one of whose parameters is counted from the training data."""
    place = tmp_path_factory.mktemp("run")
    for seed, split in enumerate(("train", "dev", "test")):
        write_docred(place / f"{split}.json", random_documents(4, seed=seed))
    loss = {"name": "ssr_pu", "margin": 0.5}
    path = write_config(place / "c.yaml", place, tiny_encoder, loss=loss, training={"epochs": 1})
    train.main(["--config", str(path)])
    return path


def standing(path: Path, *overrides: str) -> Standing:
    config = load_config(path, overrides)
    return Train("x", Path(config.output), (), config).standing()


def test_counted_loss_parameters_are_not_compared_but_given_ones_are(finished, tmp_path):
    run = finished.parent / "run"
    assert json.loads((run / "metrics.json").read_text())["counted_loss_parameters"] == ["priors"]
    assert "priors" in yaml.safe_load((run / "config.yaml").read_text())["loss"]
    assert standing(finished) == Standing("finished")
    changed = standing(finished, "loss.priors=[0.1,0.1,0.1,0.1,0.1]")
    assert changed.state == "stale" and changed.reason.startswith("another config: loss.priors was [")
    default = tmp_path / "default.yaml"
    default.write_text(finished.read_text().replace("margin: 0.5", ""))
    assert standing(default) == Standing("stale", "another config: loss.margin was 0.5, now it is None")


def test_killed_while_an_old_run_is_removed_no_state_is_left_without_its_checkpoint(tmp_path, monkeypatch):
    for name in ("log.jsonl", "state-7/values.json", "best/model.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")

    def killed(path: Path) -> None:
        if path.name.startswith("state"):
            shutil.rmtree(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.prepare_folder(tmp_path, None, folder.ExistingRun())
    assert not (tmp_path / "state-7").exists() and (tmp_path / "best").exists()


def test_loss_parameters_counted_in_another_file(finished, tmp_path, monkeypatch, capsys):
    counts = tmp_path / "counts.json"
    documents = random_documents(5, seed=7)
    write_docred(counts, documents)
    config = ["--config", str(finished), f"output={tmp_path / 'run'}", f"data.counts_from={counts}"]
    for stream in ("false", "true"):
        train.main([*config, f"data.stream={stream}", *(["--restart"] if stream == "true" else [])])
        run = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
        labels, relations = count_labels(documents), load_schema(tmp_path / "run" / "best" / "relations.json").relations
        assert run["loss"]["priors"] == [labels.positives[relation] / labels.pairs for relation in relations]
    assert standing(finished, *config[2:]) == Standing("finished")
    assert standing(finished, config[2]).reason.startswith("another config: data.counts_from was ")

    def stop(*arguments: object, **facts: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # interrupted with a saved state: the file may not change until it is resumed
        patch.setattr(TrainingRun, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            train.main([*config, "--restart"])
    assert standing(finished, *config[2:]) == Standing("interrupted")
    counts.write_text(counts.read_text() + "\n")
    with pytest.raises(DocreError, match=r"another data.counts_from file: "):
        train.main(config)
    for content, message in (
        (random_documents(2, labeled=False), "counts.json: document 'doc 0': no labels, but training needs them"),
        ([], r"counts.json: no entity pairs in it \(data.counts_from\)"),
    ):
        write_docred(counts, content)
        with pytest.raises(DocreError, match=message):
            train.main([*config, "--restart"])


def test_what_does_not_change_the_numbers_may_change(finished):
    assert standing(finished, "training.workers=2", "logging.every=9") == Standing("finished")
    assert standing(finished, "evaluation.max_pairs_per_batch=9") == Standing("finished")


def test_other_data_and_unknown_files_make_a_run_stale(finished):
    text = (finished.parent / "dev.json").read_text()
    (finished.parent / "dev.json").write_text(text + "\n")
    assert standing(finished).reason.startswith("another data.dev file: ")
    (finished.parent / "dev.json").write_text(text)
    saved = finished.parent / "run" / "config.yaml"
    text = saved.read_text()
    saved.write_text(f"{text}unknown: 1\n")
    assert "files that this version of docre cannot read (" in standing(finished).reason
    saved.write_text(text)
    assert standing(finished) == Standing("finished")
