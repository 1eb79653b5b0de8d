"""The shipped recipes on a synthetic corpus, made small: killed in every stage, they end as if never killed."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from docre.commands import recipe
from docre.config.loading import read_yaml
from docre.core.manifests import check_folder
from docre.data.readers import read
from docre.data.readers.docred import write_docred
from docre.data.schema import count_labels
from docre.errors import DocreError
from docre.inference import labeling, targets
from docre.training.generator.trainer import GeneratorTrainer
from docre.training.loop import Trainer
from docre.training.recipe import read_recipe
from tests.conftest import ROOT
from tests.models.small import small_sizes
from tests.tiny import RELATIONS, random_documents
from tests.training.test_resume import outcome

RECIPES = sorted(
    path.stem for path in (ROOT / "configs" / "recipes").glob("*.yaml") if path.stem != "quickstart_stages"
)
# what a stage calls again and again, and in which call it is killed
TRAINED = (Trainer, "_step", 4)
KILLED: dict[str, tuple[Any, str, int]] = {
    "generator": (GeneratorTrainer, "step", 4),
    "targets": (targets, "compute", 2),
    "labels": (labeling, "label", 2),
}
ORIGINS = ("origin.json", "targets.json", "manifest.json")  # have the digests of a checkpoint with its folder's name
GENERATOR = {"epochs": 3, "warmup_epochs": 1, "batch_size": 4, "latent_size": 6, "width": 8, "depth": 1, "heads": 2}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for seed, (name, size) in enumerate({"train": 8, "train_distant": 12, "dev": 3, "test": 2}.items()):
        write_docred(folder / f"{name}.json", random_documents(size, seed=seed))
    (folder / "relations.json").write_text(json.dumps([{"id": relation} for relation in RELATIONS]))
    return folder


def small(name: str, folder: Path, corpus: Path, encoder: Path) -> list[str]:
    """The arguments of `docre recipe` for a shipped recipe of small networks, few epochs and the synthetic corpus."""
    values = yaml.safe_load((ROOT / "configs" / "recipes" / f"{name}.yaml").read_text())
    common = values["config"]
    path = ROOT / "configs" / "recipes" / (common["extends"] if isinstance(common, dict) else common)
    base = yaml.safe_load(path.read_text()) | (common if isinstance(common, dict) else {})
    base["extends"] = str(ROOT / "configs" / yaml.safe_load(path.read_text())["extends"])
    base["data"] = {key: str(corpus / f"{key}.json") for key in ("train", "dev", "test", "relations")}
    base["encoder"] = {"name": str(encoder)}
    base.setdefault("training", {})
    base["training"] |= {"epochs": 2, "batch_size": 2, "save_every": 3, "encoder_lr": 1e-3, "head_lr": 2e-2}
    if any("labels" in stage for stage in values["stages"]):
        base["loss"] = {"name": "atgl", "alpha": 60.0}  # with which a teacher predicts something after few steps
    model = base.get("model", {}).get("name", name)
    base["model"] = {"name": model} | small_sizes(model)
    folder.mkdir()
    (folder / "c.yaml").write_text(yaml.safe_dump(base))
    for stage in values["stages"]:
        own = stage.get("set", {})
        for entry, key in ((own, "data.train"), (stage, "data"), (stage, "labels")):
            if key in entry and not entry[key].startswith("${"):
                entry[key] = str(corpus / "train_distant.json")
        if "data.counts_from" in own:
            own["data.counts_from"] = str(corpus / "train.json")
        own |= {key: 2 for key in ("training.epochs", "training.batch_size") if key in own}
        own.pop("training.accumulation_steps", None)
        if "terms" in own:
            own["terms"] = [term | {"from_epoch": 2} for term in own["terms"]]
        if "generator" in stage:
            stage["generator"] |= GENERATOR | {"diffusion_steps": 4, "save_every": 2}
    values |= {"config": "c.yaml", "output": str(folder / "out")}
    (folder / "r.yaml").write_text(yaml.safe_dump(values))
    return [str(folder / "r.yaml")]


def outcomes(folder: Path) -> dict[str, object]:
    """What the stages left, without the folder's own name."""
    found: dict[str, object] = {}
    for stage in sorted(path for path in (folder / "out").iterdir() if path.is_dir()):
        if (stage / "generator").is_dir():
            check_folder(stage / "generator")
            found[stage.name] = (stage / "generator" / "generator.safetensors").read_bytes()
        elif not (stage / "metrics.json").exists():  # targets or labels
            found[stage.name] = {p.name: p.read_bytes() for p in stage.iterdir() if p.name not in ORIGINS}
        else:
            left = outcome(stage)
            left["log"] = [line for line in left["log"] if line["event"] != "warning"]  # said again when resumed
            found[stage.name] = left | {name: str(left[name]).replace(str(folder), "") for name in ("log", "metrics")}
    return found


@pytest.mark.parametrize("name", RECIPES)
def test_killed_in_every_stage_it_ends_as_if_never_killed(name, corpus, tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(targets, "GROUP_DOCUMENTS", 5)
    monkeypatch.setattr(labeling, "PART_DOCUMENTS", 5)
    recipe.main(small(name, tmp_path / "whole", corpus, tiny_encoder))
    whole = outcomes(tmp_path / "whole")
    stages = yaml.safe_load((ROOT / "configs" / "recipes" / f"{name}.yaml").read_text())["stages"]
    assert whole.keys() == {stage["name"] for stage in stages}
    for path in (tmp_path / "whole" / "out").glob("*/documents.json"):
        assert any(document.triples for document in read(str(path), "docred")), "the student learns nothing"

    if name == "ttm_re":  # the priors of both stages are those of the annotated documents
        counted = count_labels(read(corpus / "train.json"))
        priors = [counted.positives[relation] / counted.pairs for relation in RELATIONS]
        for stage in ("pretrain", "finetune"):
            loss = read_yaml(tmp_path / "whole" / "out" / stage / "config.yaml")["loss"]
            assert (loss["priors"], loss["prior_offset"]) == (priors, 1e-9)

    arguments = small(name, tmp_path / "killed", corpus, tiny_encoder)
    for stage in stages:
        owner, method, call = next((KILLED[key] for key in stage if key in KILLED), TRAINED)
        left = [call]
        real = getattr(owner, method)

        def killed(*given, real=real, left=left):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            return real(*given)

        with monkeypatch.context() as patch:
            patch.setattr(owner, method, killed)
            with pytest.raises(KeyboardInterrupt):
                recipe.main([*arguments, "--stage", stage["name"]])
        recipe.main([*arguments, "--stage", stage["name"]])
    assert outcomes(tmp_path / "killed") == whole


def test_mistakes_in_a_stage_of_the_kind_generator(corpus, tiny_encoder, tmp_path, monkeypatch):
    (path,) = small("vaediff", tmp_path / "r", corpus, tiny_encoder)
    values = yaml.safe_load(Path(path).read_text())
    for changes, message in (
        ({"output": "x"}, r"stage 'generator': generator\.output: cannot be set"),
        ({"latent": 6}, r"stage 'generator': generator: unknown key 'latent' \(did you mean 'latent_size'"),
        ({"epochs": 0}, "stage 'generator': generator: epochs: input should be greater than or equal to 1, got 0"),
        ({"train": "none.json"}, r"generator\.train: none\.json: no such file"),
        ({"base": "none"}, "none: not a checkpoint"),
        ({"width": 10, "heads": 4}, r"generator: generator\.width: expected a multiple of heads 4, got 10"),
        ({"warmup_epochs": 3}, r"generator: generator\.warmup_epochs: 3 of 3 epochs"),
    ):
        stages = [dict(stage) for stage in values["stages"]]
        stages[1]["generator"] = stages[1]["generator"] | changes
        Path(path).write_text(yaml.safe_dump(values | {"stages": stages}))
        with pytest.raises(DocreError, match=message):
            recipe.main([path])
    assert not (tmp_path / "r" / "out").exists()


def test_several_processes_do_not_train_a_generator(corpus, tiny_encoder, tmp_path, monkeypatch):
    (path,) = small("vaediff", tmp_path / "r", corpus, tiny_encoder)
    stage = read_recipe(path).stages[1]
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(DocreError, match=r"trained by one process: run it by itself first, with --stage generator"):
        stage.run()
