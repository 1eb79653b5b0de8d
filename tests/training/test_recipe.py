"""Recipes: stages that take weights from each other, killed and resumed in each; what makes stages stale; plans."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from docre.commands import recipe, train
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.training.recipe import read_recipe
from docre.training.stages import standings
from docre.training.stages.train import Train, check_components
from tests.children import Child, forks, together
from tests.conftest import ROOT
from tests.tiny import RELATIONS, random_documents
from tests.training.test_resume import outcome
from tests.training.test_train import write_config

SHIPPED = sorted((ROOT / "configs" / "recipes").glob("*.yaml"))
NAMES = ("teacher", "student", "finetune")
TRAINING = {"epochs": 2, "batch_size": 2, "encoder_lr": 1e-3, "head_lr": 2e-2, "save_every": 3}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for seed, (name, size) in enumerate({"train": 12, "distant": 16, "dev": 3, "test": 2}.items()):
        write_docred(folder / f"{name}.json", random_documents(size, seed=seed))
    (folder / "relations.json").write_text(json.dumps([{"id": relation} for relation in RELATIONS]))
    return folder


def stages(corpus: Path) -> list[dict]:
    return [
        {"name": "teacher"},
        {
            "name": "student",
            "set": {
                "data.train": str(corpus / "distant.json"),
                "training": {"epochs": 1},
                "training.initial_weights": "${teacher}",
            },
        },
        {"name": "finetune", "set": {"training.initial_weights": "${student}", "training.freeze": ["encoder"]}},
    ]


def write_recipe(folder: Path, corpus: Path, encoder: Path, **changes) -> Path:
    """A recipe of three stages into `folder`/out."""
    folder.mkdir(exist_ok=True)
    data = {split: str(corpus / f"{split}.json") for split in ("train", "dev", "test", "relations")}
    write_config(folder / "c.yaml", corpus, encoder, data=data, training=TRAINING)
    values = {"output": str(folder / "out"), "config": "c.yaml", "stages": stages(corpus)}
    (folder / "r.yaml").write_text(yaml.safe_dump(values | changes))
    return folder / "r.yaml"


def outcomes(folder: Path) -> dict[str, dict]:
    """What each stage left, without the folders' own names."""
    found = {name: outcome(folder / "out" / name) for name in NAMES}
    text = {name: json.dumps(found[name].pop("log")).replace(str(folder), "") for name in NAMES}
    return {name: found[name] | {"log": text[name]} for name in NAMES}


@pytest.fixture(scope="module")
def whole(corpus, tiny_encoder, tmp_path_factory) -> Path:
    """The folder of a recipe that was run without an interruption."""
    folder = tmp_path_factory.mktemp("whole")
    recipe.main([str(write_recipe(folder, corpus, tiny_encoder))])
    return folder


@pytest.fixture
def copy(whole, corpus, tiny_encoder, tmp_path) -> Path:
    """A recipe whose stages are finished."""
    path = write_recipe(tmp_path, corpus, tiny_encoder)
    shutil.copytree(whole / "out", tmp_path / "out")
    for config in (tmp_path / "out").glob("*/config.yaml"):
        config.write_text(config.read_text().replace(str(whole), str(tmp_path)))
    return path


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "best" / "model.safetensors")


def states(path: Path, *overrides: str) -> dict[str, str]:
    return {name: standing.state for name, standing in standings(read_recipe(path, overrides).stages).items()}


def times(folder: Path) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def test_stages_take_from_each_other(whole):
    student, finetune = weights(whole / "out" / "student"), weights(whole / "out" / "finetune")
    same = {name for name in student if torch.equal(student[name], finetune[name])}
    assert same == {name for name in student if name.startswith("model.encoder.")}
    data = json.loads((whole / "out" / "finetune" / "metrics.json").read_text())["data"]
    manifest = json.loads((whole / "out" / "student" / "best" / "manifest.json").read_text())
    assert data["training.initial_weights"] == manifest["model.safetensors"]["sha256"][:16]


@forks
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_in_each_stage_it_ends_as_if_never_killed(number, whole, corpus, tiny_encoder, tmp_path):
    path = write_recipe(tmp_path, corpus, tiny_encoder)
    finished: dict[Path, int] = {}
    for i, name in enumerate(NAMES):
        child = Child([str(path)], tmp_path / "out.txt", main=recipe.main)
        log = tmp_path / "out" / name / "log.jsonl"
        while not log.is_file() or '"step": 4' not in log.read_text():
            assert child.poll() is None, child.text()
            time.sleep(0.001)
        os.kill(child.pid, number)
        assert child.wait() == (143 if number == signal.SIGTERM else -9)
        if number == signal.SIGTERM:
            assert re.search(rf"docre: stopped at step \d+\. The state is saved in .*/{name}/state-", child.text())
        assert "Traceback" not in child.text()
        assert times(tmp_path / "out").items() >= finished.items(), "a finished stage was run again"
        finished = {p: t for done in NAMES[:i] for p, t in times(tmp_path / "out" / done).items()}
        assert states(path) == dict(zip(NAMES, ["finished"] * i + ["interrupted"] + ["new"] * (2 - i), strict=True))
    last = Child([str(path)], tmp_path / "out.txt", main=recipe.main)
    assert last.wait() == 0
    assert "run 2/3: student is finished already" in last.text() and "resuming from" in last.text()
    assert outcomes(tmp_path) == outcomes(whole)


def test_finished_stages_are_not_repeated(copy, capsys):
    before = times(copy.parent / "out")
    recipe.main([str(copy)])
    assert capsys.readouterr().out.count("is finished already") == 3
    assert times(copy.parent / "out") == before


def test_an_edited_stage_makes_later_ones_stale(copy, corpus, tiny_encoder, capsys):
    before = times(copy.parent / "out")
    changed = stages(corpus)
    changed[1]["set"]["training"]["epochs"] = 2
    write_recipe(copy.parent, corpus, tiny_encoder, stages=changed)
    with pytest.raises(DocreError) as error:
        recipe.main([str(copy)])
    assert str(error.value) == (
        "stale: student (another config: training.epochs was 1, now it is 2), "
        "finetune (it takes from student, which is stale); --update runs these stages again"
    )
    recipe.main([str(copy), "--stage", "teacher"])
    assert times(copy.parent / "out") == before
    old = weights(copy.parent / "out" / "finetune")
    capsys.readouterr()
    recipe.main([str(copy), "--update"])
    out = capsys.readouterr().out
    assert "run 1/3: teacher is finished already" in out and out.count("epoch 2/2") == 2
    assert set(states(copy).values()) == {"finished"}
    new = weights(copy.parent / "out" / "finetune")
    assert any(not torch.equal(old[name], new[name]) for name in old)


def test_other_weights_make_later_stages_stale(copy):
    """The configs are the same, and the weights are whole; only they are not those that the student started from."""
    out = copy.parent / "out"
    shutil.rmtree(out / "teacher" / "best")
    shutil.copytree(out / "finetune" / "best", out / "teacher" / "best")
    with pytest.raises(DocreError, match=r"stale: student \(another training\.initial_weights: [0-9a-f]{16}, now"):
        recipe.main([str(copy)])
    assert states(copy) == {"teacher": "finished", "student": "stale", "finetune": "stale"}


def test_a_stage_that_has_to_run_again_makes_later_ones_stale_unless_it_ends_with_the_same_weights(copy, whole, capsys):
    shutil.rmtree(copy.parent / "out" / "teacher")
    with pytest.raises(
        DocreError, match=r"stale: student \(it takes from teacher, which is new\), finetune \(it takes"
    ):
        recipe.main([str(copy)])
    before = times(copy.parent / "out" / "student")
    recipe.main([str(copy), "--update"])
    assert "student is finished already" in capsys.readouterr().out
    assert times(copy.parent / "out" / "student") == before and outcomes(copy.parent) == outcomes(whole)


@forks
def test_two_processes(corpus, tiny_encoder, tmp_path):
    path = write_recipe(tmp_path, corpus, tiny_encoder)
    children = together([str(path)], tmp_path, main=recipe.main)
    assert [child.wait() for child in children] == [0, 0], "\n".join(child.text() for child in children)
    assert set(states(path).values()) == {"finished"}


def test_plan(corpus, tiny_encoder, whole, tmp_path, capsys):
    def plan(path: Path, *options: str) -> str:
        capsys.readouterr()
        recipe.main([str(path), "--plan", *options])
        return re.sub(r"[\d.]+ (s|min)\b", "T", capsys.readouterr().out)

    path = write_recipe(tmp_path, corpus, tiny_encoder)
    unknown = "    time: unknown until a stage with the same encoder and model has saved a state\n"
    teacher, student = "    2 epochs of 12 documents: 12 steps\n", "    1 epoch of 16 documents: 8 steps\n"
    assert plan(path) == (
        f"teacher: new\n{teacher}{unknown}"
        f"student: new\n    takes from teacher\n{student}{unknown}"
        f"finetune: new\n    takes from student\n{teacher}{unknown}"
    )
    assert not (tmp_path / "out").exists()
    shutil.copytree(whole / "out" / "teacher", tmp_path / "out" / "teacher")
    config = tmp_path / "out" / "teacher" / "config.yaml"
    config.write_text(config.read_text().replace(str(whole), str(tmp_path)))
    assert plan(path, "--stage", "student") == (
        f"teacher: finished\n{teacher}    took T\n"
        f"student: new\n    takes from teacher\n{student}    about T, at T a document as in teacher\n"
    )
    assert plan(path, "--stage", "teacher", "seed=1") == (
        f"teacher: stale (another config: seed was 66, now it is 1)\n{teacher}{unknown}"
    )
    (tmp_path / "later").mkdir()
    assert "unknown until later.json is there" in plan(path, "data.train=later.json")


def wrong(corpus: Path) -> dict[str, tuple[dict, str]]:
    """Changes to a recipe, and what is said about them."""
    a, b, c = stages(corpus)
    return {
        "unknown key": ({"stage": []}, "r.yaml: unknown key 'stage' (valid: output, config, stages)"),
        "no output": ({"output": None}, "r.yaml: output: expected a folder, got None"),
        "no stages": ({"stages": []}, "r.yaml: stages: expected a list of stages, got []"),
        "no config": ({"config": 3}, "r.yaml: config: expected the name of a config file, or its keys, got 3"),
        "no mapping": ({"stages": [a, "x"]}, "r.yaml: stage 2: expected a mapping of keys to values, got 'x'"),
        "no name": ({"stages": [{}]}, "r.yaml: stage 1: name: expected letters, digits, _, + and -, got None"),
        "a path": ({"stages": [{"name": "../x"}]}, "stage 1: name: expected letters, digits, _, + and -, got '../x'"),
        "twice": ({"stages": [a, a]}, "r.yaml: stage 'teacher': another stage has this name"),
        "later": ({"stages": [b, a]}, "stage 'student': ${teacher} is a later stage: a stage takes from earlier ones"),
        "itself": ({"stages": [c | {"name": "student"}]}, "stage 'student': ${student} is the stage itself"),
        "unknown": ({"stages": [a, c]}, "stage 'finetune': ${student} is no stage: expected one of teacher"),
        "kind": ({"stages": [a | {"trains": 1}]}, "stage 'teacher': kind of stage 'train' has no parameter 'trains'"),
        "output": ({"stages": [{"name": "x", "set": {"output": "y"}}]}, "stage 'x': output: cannot be set: the folder"),
        "part of another stage": (
            {"stages": [{"name": "x", "teachers": ["y"]}], "config": {"loss": "atgl", "data": {"train": "t.json"}}},
            "stage 'x': loss: expected a mapping, got 'atgl'",
        ),
        "loss of another stage": (
            {"stages": [{"name": "x", "teachers": ["y"]}], "config": {"loss": {"alpha": 3}, "data": {"train": "t"}}},
            "stage 'x': loss: the key 'name' is missing",
        ),
        "data of another stage": (
            {"stages": [{"name": "x", "targets": ["logits"], "checkpoint": "y"}], "config": {"data": "t.json"}},
            "stage 'x': data: expected a mapping, got 't.json'",
        ),
        "plugins of another stage": (
            {"stages": [{"name": "x", "labels": "d.json", "checkpoint": "y"}], "config": {"plugins": "mine"}},
            "stage 'x': plugins: expected a list of modules, got 'mine'",
        ),
        "config key": (
            {"stages": [a, {"name": "x", "set": {"training.epoch": 3}}]},
            "stage 'x': its config: unknown key 'training.epoch' (did you mean 'epochs'?",
        ),
    }


@pytest.mark.parametrize("case", wrong(Path()))
def test_mistakes_in_a_recipe(case, corpus, tiny_encoder, tmp_path):
    changes, message = wrong(corpus)[case]
    path = write_recipe(tmp_path, corpus, tiny_encoder, **changes)
    with pytest.raises(DocreError) as error:
        recipe.main([str(path)])
    assert message in str(error.value) and str(error.value).startswith(str(path)) and "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.train": "nowhere.json"}, "last: data.train: nowhere.json: no such file or folder"),
        ({"data.tagged": "nowhere.json"}, "last: data.tagged: nowhere.json: no such file or folder"),
        ({"tagger": {"name": "joint", "run": "nowhere"}}, "last: nowhere: not a checkpoint"),
        ({"tagger": {"name": "joint"}}, "last: tagger 'joint', parameter 'run'"),
        ({"training.initial_weights": "nowhere"}, "last: nowhere: not a checkpoint"),
        ({"loss.name": "atlas"}, "last: unknown loss 'atlas'"),
        ({"loss.alpha": "x"}, "last: loss 'atgl', parameter 'alpha'"),
        ({"model.blocks": 3}, "last: model 'atlop' has no parameter 'blocks'"),
        ({"data.reader": "x"}, "last: unknown reader 'x'"),
        ({"training.group_lr": {"axial": 1e-3}}, "last: training.group_lr: the model has no group 'axial'"),
        ({"terms": [{"name": "distil"}]}, "last: term 'distil' needs data.targets: the logits of a teacher"),
        ({"terms": [{"name": "evidence"}] * 2}, "last: terms: 'evidence' is given twice"),
        ({"data.targets": "${teacher}"}, "last: data.targets: stage teacher makes no targets"),
    ],
)
def test_all_stages_are_checked_before_the_first_runs(changes, message, corpus, tiny_encoder, tmp_path):
    path = write_recipe(tmp_path, corpus, tiny_encoder, stages=[*stages(corpus), {"name": "last", "set": changes}])
    with pytest.raises(DocreError, match=re.escape(message)):
        recipe.main([str(path)])
    assert not (tmp_path / "out").exists()


LEAVES = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b", "${a}", "${b}", "${", "t.json"])
WORDS = st.sampled_from(
    "name set output config data data.train encoder train loss loss.name plugins a targets teachers labels generator "
    "checkpoint reader".split()
)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(WORDS, v, max_size=4), max_leaves=8)
COMMON = {"data": {"train": "t.json"}, "encoder": {"name": "e"}, "loss": {"name": "atl"}}


@given(st.fixed_dictionaries({"stages": VALUES, "config": VALUES | st.just(COMMON), "output": VALUES | st.just("o")}))
def test_any_recipe_is_read_or_an_error_of_one_line(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(values))
    try:
        read_recipe(path)
    except DocreError as error:
        assert "\n" not in str(error)


@given(st.lists(st.lists(st.integers(0, 3), max_size=2), min_size=1, max_size=4))
def test_stages_come_after_those_that_they_take_from(tmp_path_factory, used):
    """`used`: the stages that each stage refers to, by number."""
    entries = [
        {"name": f"s{i}", "set": {"logging.trackers": [f"${{s{other}}}" for other in u]}} for i, u in enumerate(used)
    ]
    path = tmp_path_factory.getbasetemp() / "order.yaml"
    path.write_text(yaml.safe_dump({"stages": entries, "config": COMMON, "output": "o"}))
    if any(other >= i for i, u in enumerate(used) for other in u):
        with pytest.raises(DocreError, match=r"stage 's\d': \$\{s\d\} is (no|a later) stage|is the stage itself"):
            read_recipe(path)
        return
    found = read_recipe(path).stages
    assert [[other.name for other in stage.takes] for stage in found] == [
        [f"s{other}" for other in dict.fromkeys(u)] for u in used
    ]
    assert [stage.config.logging.trackers for stage in found] == [[f"o/s{other}" for other in u] for u in used]


def test_a_config_is_no_recipe(tmp_path):
    (tmp_path / "c.yaml").write_text("output: o\ndata: {train: t.json}")
    with pytest.raises(DocreError, match=r"c\.yaml: this is a config, not a recipe; it is run with docre train"):
        recipe.main([str(tmp_path / "c.yaml")])


def test_no_such_stage(corpus, tiny_encoder, tmp_path):
    path = write_recipe(tmp_path, corpus, tiny_encoder)
    with pytest.raises(DocreError, match="no stage 'x': expected one of teacher, student, finetune"):
        recipe.main([str(path), "--stage", "x"])


def test_the_common_config_may_be_inline_and_overridden(corpus, tiny_encoder, tmp_path):
    path = write_recipe(tmp_path, corpus, tiny_encoder, config={"extends": "c.yaml", "loss": {"name": "atl"}})
    read = read_recipe(path, ["training.epochs=7", f"output={tmp_path}/other"])
    configs = [stage.config for stage in read.stages]
    assert {(c.loss.name, c.training.epochs, c.training.batch_size) for c in configs} == {("atl", 7, 2)}
    assert [c.output for c in configs] == [f"{tmp_path}/other/{name}" for name in NAMES]
    assert configs[1].training.initial_weights == f"{tmp_path}/other/teacher"
    assert [stage.name for stage in read.up_to("student")] == ["teacher", "student"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes(path):
    read = read_recipe(path)
    assert read.output == Path("runs", path.stem)
    for stage in read.stages:
        if isinstance(stage, Train):
            check_components(stage.config)
    assert recipe.plan(read.stages)


def test_a_run_by_hand_is_the_same(copy, capsys):
    """A stage is a run of `docre train` with its config."""
    train.main(["--config", str(copy.parent / "out" / "student" / "config.yaml")])
    assert "student is finished: nothing to do" in capsys.readouterr().out
