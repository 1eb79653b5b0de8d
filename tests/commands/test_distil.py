"""docre distil: what the teachers leave, by slow references; killed and resumed it is the same; its mistakes."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import docre
from docre.__main__ import main
from docre.analysis.calibration import Calibration
from docre.analysis.platt import Platt
from docre.commands import distil, recipe, targets, train
from docre.config.schema import Component
from docre.data import targets as store
from docre.data.readers.docred import write_docred
from docre.data.targets import TargetStore
from docre.documents import LabelStatistics
from docre.errors import DocreError
from docre.inference import targets as writing
from docre.inference import teachers as teaching
from docre.inference.checkpoint import save
from docre.inference.predictor import Predictor
from docre.losses import build, loss_class
from tests.children import Child, forks
from tests.inference.test_ensemble import GROUPS, MIXED, member, slow
from tests.tiny import RELATIONS, WORDS, random_documents, save_tiny_encoder
from tests.training.test_resume import outcome
from tests.training.test_train import write_config

TRAINING = {"epochs": 2, "batch_size": 3, "encoder_lr": 1e-3, "head_lr": 2e-2, "save_every": 2}


@pytest.fixture(scope="module")
def place(tiny_encoder, tmp_path_factory) -> Path:
    """A folder with documents and teachers: two with threshold classes, one with none, one with another order."""
    folder = tmp_path_factory.mktemp("place")
    for seed, (split, size) in enumerate({"train": 12, "dev": 3, "test": 2}.items()):
        write_docred(folder / f"{split}.json", random_documents(size, seed=seed))
    few = save_tiny_encoder(folder / "few", WORDS[:20])
    for name, model in {
        "atl": member(tiny_encoder, 1),
        "aml": member(few, 2, loss={"name": "aml"}, platt=(0.3, 0.5)),
        "bce": member(few, 3, platt=(1.2, -0.5), loss={"name": "bce"}),
        "mixed": member(tiny_encoder, 4, MIXED, (0.5, 0.0), [0.5, 0, 0, 0, -1], evaluation={"top_k": 2}),
        "groups": member(tiny_encoder, 5, loss=GROUPS),
        "two": member(tiny_encoder, 6, ("P1", "P2")),
    }.items():
        save(model, folder / name)
    bare = member(tiny_encoder, 7, loss={"name": "bce"})
    bare.forget_calibration()
    save(bare, folder / "bare")
    return folder


def config(path: Path, place: Path, encoder: Path, **changes) -> str:
    values = {"training": TRAINING, "loss": {"name": "atl"}, "output": str(path.parent / "out")} | changes
    return str(write_config(path, place, encoder, **values))


def arguments(path: str, place: Path, *names: str) -> list[str]:
    return ["--config", path, *(word for name in names for word in ("--teacher", str(place / name)))]


def written(folder: Path, place: Path) -> dict[str, np.ndarray]:
    """The logits that were written for each training document."""
    found = TargetStore(folder)
    return {d.title: found.read(d.title, ["logits"])["logits"] for d in docre.read(place / "train.json")}


def write(place: Path, folder: Path, loss: dict, *names: str) -> dict[str, np.ndarray]:
    teachers = [str(place / name) for name in names]
    teaching.teacher_targets(teachers, Component(**loss), str(place / "train.json"), "docred", folder)()
    return written(folder, place)


@pytest.mark.parametrize("names", [("atl",), ("atl", "atl"), ("atl", "aml", "atl")])
def test_losses_that_decide_alike_leave_the_mean_of_their_logits(names, place, tmp_path):
    """Also with another tokenizer. One teacher leaves what docre targets writes, and so does a teacher with itself."""
    each = []
    for i, name in enumerate(names):
        what = ["--checkpoint", str(place / name), "--data", str(place / "train.json"), "--targets", "logits"]
        targets.main([*what, "--output", str(tmp_path / str(i))])
        each.append(written(tmp_path / str(i), place))
    for title, logits in write(place, tmp_path / "t", {"name": "atgl", "alpha": 6.0}, *names).items():
        assert logits.dtype == np.float32 and logits.shape == (20, 6)
        np.testing.assert_allclose(logits, sum(one[title].astype(np.float64) for one in each) / len(names), rtol=1e-6)
        if len(set(names)) == 1:
            assert np.array_equal(logits, each[0][title])


@pytest.mark.parametrize(
    ("names", "loss"),
    [
        (("atl", "bce", "mixed"), {"name": "atgl"}),
        (("atl", "aml"), {"name": "bce"}),
        (("mixed", "groups"), {"name": "amtl"}),
        (("groups", "groups"), {"name": "amtl"}),  # whose groups are counted later, and may be others
        (("bce", "atl"), {"name": "sat"}),
    ],
)
def test_other_losses_leave_the_margins_of_the_ensemble(names, loss, place, tmp_path):
    """By the formula, for each pair and relation; the student that has these logits decides as the ensemble does."""
    models = [docre.load(place / name, "cpu") for name in names]
    made = write(place, tmp_path / "t", loss, *names)
    student = build(loss["name"], 5, **({"groups": counted_groups()} if loss["name"] == "amtl" else {}))
    for document in docre.read(place / "train.json"):
        margins = student.margins(torch.from_numpy(made[document.title])).numpy()
        (features,) = models[0].featurize([document])
        expected = slow(models, document)
        for p, (head, tail) in enumerate(features.pairs.tolist()):
            for r, relation in enumerate(models[0].schema.relations):
                assert margins[p, r] == pytest.approx(expected[head, tail, relation], abs=1e-4)


def counted_groups() -> list[list[int]]:
    """Groups that a training set could give AMTL for five relations."""
    groups: list[list[int]] = loss_class("amtl").from_training_data(LabelStatistics(9, (1, 5, 3, 2, 4)))["groups"]
    return groups


def small_shards() -> None:
    """A shard for every two documents, slowly enough to be killed meanwhile."""
    store.SHARD_BYTES, writing.GROUP_DOCUMENTS = 1, 2
    real = teaching.mean_of
    teaching.mean_of = lambda *arguments: (time.sleep(0.1), real(*arguments))[1]


def results(folder: Path) -> dict:
    files = {path.name: path.read_bytes() for path in (folder / "targets").iterdir() if path.name != ".lock"}
    student = outcome(folder / "student")
    text = json.dumps({key: student.pop(key) for key in ("log", "metrics")})
    return student | {"text": text.replace(str(folder), ""), "targets": files}


@forks
def test_killed_and_resumed_it_is_the_same(place, tiny_encoder, tmp_path):
    """Killed while targets are written, and while the student is trained."""

    def start(name: str) -> Child:
        (tmp_path / name).mkdir(exist_ok=True)
        path = config(tmp_path / name / "c.yaml", place, tiny_encoder)
        command = arguments(path, place, "atl", "aml")
        return Child(command, tmp_path / name / "o.txt", prepare=small_shards, main=distil.main)

    child = start("whole")
    assert child.wait(300) == 0, child.text()
    out = tmp_path / "parts" / "out"
    for sign, number in (
        ("targets/shard-00001.json", signal.SIGKILL),
        ("targets/shard-00003.json", signal.SIGTERM),
        ("student/state-2", signal.SIGKILL),
        ("student/state-4", signal.SIGTERM),
    ):
        child = start("parts")
        while not (out / sign).exists():
            assert child.poll() is None, child.text()
            time.sleep(0.002)
        os.kill(child.pid, number)
        assert child.wait() == (143 if number == signal.SIGTERM else -9), child.text()
        assert not (out / "student" / "metrics.json").exists()
    child = start("parts")
    assert child.wait(300) == 0, child.text()
    assert results(out) == results(tmp_path / "whole" / "out")


def test_the_student(place, tiny_encoder, tmp_path, capsys):
    """Teachers of two losses and two tokenizers: its config, that it is not trained twice, and what makes it stale."""
    path = config(tmp_path / "c.yaml", place, tiny_encoder, terms=[{"name": "evidence", "weight": 0.1}])
    command = [*arguments(path, place, "atl", "bce"), "--weight", "0.5", "training.epochs=1"]
    distil.main(command)
    out = tmp_path / "out"
    assert f"{out / 'student'}: the student of 2 teachers" in capsys.readouterr().out
    trained = yaml.safe_load((out / "student" / "config.yaml").read_text())
    assert [(term["name"], term["weight"]) for term in trained["terms"]] == [("evidence", 0.1), ("distil", 0.5)]
    assert trained["data"]["targets"] == str(out / "targets")
    student = docre.load(out / "student", "cpu")
    assert isinstance(student, Predictor) and student.schema.relations == RELATIONS
    log = [json.loads(line) for line in (out / "student" / "log.jsonl").read_text().splitlines()]
    assert any(line.get("loss/distil", 0) > 0 for line in log if line["event"] == "step")

    before = (out / "student" / "metrics.json").stat().st_mtime_ns
    distil.main(command)
    assert (out / "student" / "metrics.json").stat().st_mtime_ns == before
    with pytest.raises(DocreError, match=r"stale: targets \(checkpoint was .*--update does these again"):
        distil.main([*arguments(path, place, "bce", "atl"), "--weight", "0.5", "training.epochs=1"])
    with pytest.raises(DocreError, match="stale: student"):
        distil.main([*command, "--weight", "0.7"])
    distil.main([*command, "--weight", "0.7", "--update"])
    assert (out / "student" / "metrics.json").stat().st_mtime_ns != before


def test_what_the_targets_depend_on(place, tmp_path):
    """Another calibration of a teacher changes what an ensemble says, but not the mean of logits."""
    names = ("atl", "aml", "bce")
    for name in names:
        shutil.copytree(place / name, tmp_path / name)

    def origins() -> list[dict]:
        chosen = ([str(tmp_path / name) for name in some] for some in (names[:2], names))
        return [teaching.origin_of(teachers, Component(name="atl")) for teachers in chosen]

    before = origins()
    assert [origin["logits"] for origin in before] == [teaching.MEAN, teaching.LOG_ODDS]
    assert all(origin["outputs"] == 6 for origin in before)
    model = docre.load(tmp_path / "aml", "cpu")
    model.use(Calibration(RELATIONS, (0.0,) * 5, "another", platt=Platt(2.0, 1.0)))
    save(model, tmp_path / "aml")
    assert [a == b for a, b in zip(before, origins(), strict=True)] == [True, False]
    (tmp_path / "aml" / "manifest.json").write_text("[]")
    with pytest.raises(DocreError, match=r"manifest\.json: torn or changed"):
        origins()


def test_a_recipe_with_teachers(place, tiny_encoder, tmp_path, capsys):
    """The same as stages of a recipe: the student is that of docre distil."""
    path = config(tmp_path / "c.yaml", place, tiny_encoder, training=TRAINING | {"epochs": 1})
    distil.main(arguments(path, place, "atl", "aml"))
    stages = [
        {"name": "targets", "teachers": [str(place / "atl"), str(place / "aml")]},
        {
            "name": "student",
            "set": {
                "data.targets": "${targets}",
                "data.relations": str(place / "atl/relations.json"),
                "terms": [{"name": "distil", "weight": 1.0}],
            },
        },
    ]
    values = {"output": str(tmp_path / "recipe"), "config": "c.yaml", "stages": stages}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(values))
    recipe.main([str(tmp_path / "r.yaml"), "--plan"])
    assert "logits of 12 documents" in capsys.readouterr().out
    recipe.main([str(tmp_path / "r.yaml")])
    assert results(tmp_path / "recipe")["targets"] == results(tmp_path / "out")["targets"]
    weights = [tmp_path / name / "student/best/model.safetensors" for name in ("recipe", "out")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.parametrize(
    ("names", "more", "message"),
    [
        (("atl", "two"), [], "atl: has the relation 'P3', which"),
        (("atl", "nowhere"), [], "nowhere: not a checkpoint"),
        (
            ("atl", "bare"),
            [],
            "bare: no probabilities, of which an ensemble takes the mean; fit them on dev: docre calib",
        ),
        (("atl", "bce"), ["loss.name=balanced_softmax"], "'balanced_softmax' of the student has outputs that its dec"),
        (("atl", "aml"), ["data.targets=x"], "data.targets: leave it out"),
        (("atl", "aml"), ["data.tagged=x"], "data.tagged: the teachers' targets are for the entities of data.train"),
        (("atl", "aml"), ["terms=[{name: distil}]"], "terms: leave distil out: this command adds it, with --weight"),
        (("atl", "aml"), ["data.relations=docred"], "data.relations: not those of"),
        (("atl", "aml"), ["--weight", "0"], "--weight: expected a number above 0"),
        (("atl", "aml"), ["loss.name=atlx"], "unknown loss 'atlx'"),
        (("atl", "aml"), ["data.train=nowhere.json"], "nowhere.json"),
    ],
)
def test_mistakes(names, more, message, place, tiny_encoder, tmp_path, capsys):
    path = config(tmp_path / "c.yaml", place, tiny_encoder)
    with pytest.raises(SystemExit) as end:
        main(["distil", *arguments(path, place, *names), *more])
    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert len(lines) == 1 and lines[0].startswith("docre: error: ") and message in lines[0]
    assert not (tmp_path / "out" / "targets" / "targets.json").exists() and not (tmp_path / "out" / "student").exists()


def test_a_student_with_other_outputs_is_refused(place, tiny_encoder, tmp_path):
    """Of docre train: the logits of a loss with other columns, and of relations in another order."""
    for name, message in (("bce", "outputs was 5, now it is 6"), ("mixed", "relations was ")):
        what = ["--checkpoint", str(place / name), "--data", str(place / "train.json"), "--targets", "logits"]
        targets.main([*what, "--output", str(tmp_path / name)])
        path = config(tmp_path / "c.yaml", place, tiny_encoder, terms=[{"name": "distil"}])
        with pytest.raises(DocreError, match=f"does not fit this run: {message}"):
            train.main(["--config", path, f"data.targets={tmp_path / name}"])
