"""Every switch that repairs a published slip is in the list of slips (docs/literature.yaml) and in the plan of runs
that tell what repairs cost (scripts/plans/repairs.yaml), and a slip's two runs differ in its repair alone."""

import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest

from docre.config.loading import load_config, read_yaml
from docre.core.registry import Registry, parameters_of
from docre.inference.methods import INFERENCES
from docre.losses import LOSSES
from docre.models import MODELS
from docre.terms import TERMS
from docre.training.generator.settings import GeneratorSettings
from docre.training.recipe import read_recipe
from docre.training.stages.base import Stage
from scripts.reproduce.runs import Run, read_plan
from tests.conftest import ROOT

REGISTRIES: dict[str, tuple[Registry[Any], int]] = {  # with the number of arguments that docre passes
    "model": (MODELS, 2),
    "loss": (LOSSES, 1),
    "terms": (TERMS, 0),
    "inference": (INFERENCES, 0),
}
NO_REPAIRS = {("loss", "ncrl", "regularize", False)}  # leaves a part of the loss out
Switch = tuple[str, str, str, Any]  # section, name of the component, parameter, a value that is not its default

LITERATURE = read_yaml(ROOT / "docs" / "literature.yaml")
SLIPS = [slip for slips in LITERATURE["slips"].values() for slip in slips]
REPAIRED = [slip for slip in SLIPS if "repair" in slip]


def switches() -> Iterator[Switch]:
    """What can be switched: all values but the default of each parameter that is a bool or one of some words."""
    for section, (registry, skip) in REGISTRIES.items():
        for name in registry:
            for p in parameters_of(registry[name], skip):
                values = (True, False) if p.annotation is bool else get_args(p.annotation)
                if p.annotation is bool or get_origin(p.annotation) is Literal:
                    yield from ((section, name, p.name, value) for value in values if value != p.default)
    for key, field in GeneratorSettings.model_fields.items():
        if field.annotation is bool:
            yield "generator", "", key, not field.default


ALL = set(switches())


@pytest.fixture(scope="module")
def plan() -> dict[tuple[str, str], Run]:
    """The runs of the plan by dataset and label."""
    runs = read_plan(read_yaml(ROOT / "scripts" / "plans" / "repairs.yaml"), "repairs.yaml")
    return {(run.dataset, run.label): run for run in runs}


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def components(config: Any) -> Iterator[tuple[str, Any]]:
    for section in ("model", "loss", "inference"):
        yield section, getattr(config, section)
    yield from (("terms", term) for term in config.terms)


def switched(run: Run) -> set[Switch]:
    """The switches that a run turns, in any of its stages."""
    stages: list[Stage] = list(read_recipe(run.config, run.overrides).up_to(run.last)) if run.is_recipe else []
    configs = [stage.config for stage in stages if hasattr(stage, "config")]
    configs += [] if run.is_recipe else [load_config(run.config, run.overrides)]
    found = {
        (s, c.name, key, value)
        for x in configs
        for s, c in components(x)
        for key, value in c.parameters.items()
        if isinstance(value, bool | str)
    }
    for stage in stages:
        settings = getattr(stage, "settings", None)
        if isinstance(settings, GeneratorSettings):
            found |= {
                ("generator", "", key, value) for key, value in settings.model_dump().items() if isinstance(value, bool)
            }
    return found & ALL


def complete(config: Any) -> dict[str, Any]:
    """A config with the defaults of its components, so that it does not matter which are given."""
    values = config.model_dump()
    given: list[dict[str, Any]] = []
    for section, component in components(config):
        registry, skip = REGISTRIES[section]
        defaults = {p.name: p.default for p in parameters_of(registry[component.name], skip)}
        given.append(defaults | component.model_dump())
    return values | {"components": given} | dict.fromkeys(("model", "loss", "inference", "terms"))


def repairs(slip: dict[str, Any]) -> list[str]:
    """The overrides of a slip's repair."""
    return re.split(r" (?=[\w.]+=)", slip["repair"])


def test_there_are_switches():
    assert len(ALL) >= 16 and ALL >= NO_REPAIRS
    assert ("model", "docunet", "padding", "cut") in ALL and ("terms", "evidence", "over", "with_evidence") in ALL


def test_every_switch_is_run(plan):
    assert set().union(*map(switched, plan.values())) == ALL - NO_REPAIRS


def test_every_switch_is_listed(plan):
    """As what the two runs of a slip differ in."""
    pairs = [[switched(plan[slip["runs"][0], label]) for label in slip["runs"][1:]] for slip in REPAIRED]
    assert set().union(*(published ^ repaired for published, repaired in pairs)) == ALL - NO_REPAIRS


def test_every_run_belongs_to_a_slip(plan):
    assert {(slip["runs"][0], label) for slip in REPAIRED for label in slip["runs"][1:]} == set(plan)


@pytest.mark.parametrize("slip", REPAIRED, ids=lambda slip: slip["repair"])
def test_the_two_runs_of_a_slip_differ_in_its_repair(slip, plan):
    dataset, *labels = slip["runs"]
    published, repaired = (plan[dataset, label] for label in labels)
    assert published.is_recipe == repaired.is_recipe
    if not published.is_recipe:
        made = load_config(published.config, [*published.overrides, *repairs(slip)])
        assert complete(made) == complete(load_config(repaired.config, repaired.overrides))
    elif slip["repair"] == "recipe stage augmented":
        assert (published.last, repaired.last) == ("as_published", "augmented")
        assert switched(published) == switched(repaired)
    else:
        (section, key), value = slip["repair"].partition("=")[0].split("."), slip["repair"].partition("=")[2]
        name = "" if section == "generator" else "vaediff"
        assert value == "true" and switched(repaired) - switched(published) == {(section, name, key, True)}
