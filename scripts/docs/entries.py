"""Pages about what is registered: losses, models, terms and everything else that a config or a command names."""

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, cast, get_args, get_origin

import yaml

from docre.answers import FORMS
from docre.config.loading import load_config, read_yaml
from docre.core.registry import Registry, parameters_of
from docre.data.readers import READERS
from docre.documents import LabelStatistics
from docre.graph import EXPORTERS, Exporter
from docre.inference.methods import INFERENCES
from docre.losses import LOSSES, loss_class
from docre.models import MODELS, leading_parameters
from docre.terms import TERMS
from docre.text import TAGGERS
from docre.training.stages.base import STAGES
from scripts.docs.docstrings import to_markdown
from scripts.docs.results import measured
from scripts.docs.tables import table

ROOT = Path(__file__).parents[2]
REGISTRIES: dict[str, Registry[Any]] = {
    "losses": LOSSES,
    "models": MODELS,
    "terms": TERMS,
    "readers": READERS,
    "taggers": TAGGERS,
    "exporters": EXPORTERS,
    "inferences": INFERENCES,
    "stages": STAGES,
    "forms": FORMS,
}
TITLES = {
    "terms": "Terms",
    "readers": "Readers",
    "taggers": "Taggers",
    "exporters": "Exporters",
    "inferences": "Inferences",
    "stages": "Kinds of stages",
    "forms": "Forms of answers",
}
INTRODUCTIONS = {
    "terms": "A term is added to the loss in training, with a weight: `terms: [{name: evidence, weight: 0.1}]`. "
    "It plays no part in the decision.",
    "readers": "A reader makes documents of a file of one format: `data.reader: jsonl`.",
    "taggers": "A tagger finds the entities of a plain text: `docre extract --tagger spacy`.",
    "exporters": "An exporter writes what was extracted to a file of one format, which the suffix names.",
    "inferences": "An inference is a way from a trained model to predictions: `inference.name=fusion`.",
    "stages": "What a stage of a recipe does is told by its keys. A stage with none of these keys trains a model.",
    "forms": "How an answer of a language model states triples: `docre evaluate --answers answers.jsonl --form bars`.",
}


def pages() -> Iterator[tuple[str, str]]:
    """The path and the Markdown of every page."""
    for kind, noun in (("losses", "loss"), ("models", "model")):
        for name in REGISTRIES[kind]:
            yield f"{kind}/{name}.md", page(kind, noun, name)
    for kind, title in TITLES.items():
        sections = [section(kind, name) for name in REGISTRIES[kind]]
        yield f"registered/{kind}.md", "\n\n".join([f"# {title}", INTRODUCTIONS[kind], *sections]) + "\n"


def overview(kind: str) -> str:
    """A table of all losses or models: name and summary."""
    rows = [[f"[`{name}`]({name}.md)", summary(REGISTRIES[kind][name])] for name in REGISTRIES[kind]]
    return table(["name", "what it is"], rows)


def summary(entry: Any) -> str:
    """The first sentence of an entry's docstring, on one line."""
    first = inspect.getdoc(entry) or ""
    return " ".join(first.split("\n\n")[0].split()).split(". ")[0].rstrip(":.")


def page(kind: str, noun: str, name: str) -> str:
    """The page of a loss or a model: docstring, parameters, published settings, and what was measured."""
    entry = REGISTRIES[kind][name]
    parts = [
        f"# `{name}`",
        to_markdown(entry.__doc__ or ""),
        "## Parameters",
        parameters(kind, name),
        "## Published settings",
        *settings(noun, name),
        "## What docre measured",
        measured(noun, name),
        f"In the API reference: [`{entry.__qualname__}`][{entry.__module__}.{entry.__qualname__}].",
    ]
    return "\n\n".join(parts) + "\n"


def section(kind: str, name: str) -> str:
    """The part of a page that tells of one entry."""
    entry = REGISTRIES[kind][name]
    parts = [f"## `{name}`"]
    if isinstance(entry, Exporter):
        parts.append("Suffixes: " + ", ".join(f"`{suffix}`" for suffix in entry.suffixes))
    parts.append(to_markdown(inspect.getdoc(entry) or ""))
    if kind not in ("readers", "exporters"):
        parts.append(parameters(kind, name))
    qualified = f"{entry.__module__}.{entry.__qualname__}"
    parts.append(f"In the API reference: [`{entry.__qualname__}`][{qualified}].")
    return "\n\n".join(parts)


def parameters(kind: str, name: str) -> str:
    """A table of an entry's parameters, as its signature has them."""
    skip = {"losses": 1, "stages": 1, "models": leading_parameters(name) if kind == "models" else 0}.get(kind, 0)
    counted = loss_class(name).from_training_data(LabelStatistics(2, (1,))) if kind == "losses" else {}
    rows = []
    for parameter in parameters_of(REGISTRIES[kind][name], skip):
        missing = "from the training data" if parameter.name in counted else "required"
        default = missing if parameter.default is parameter.empty else f"`{parameter.default}`"
        rows.append([f"`{parameter.name}`", type_of(parameter.annotation), default])
    return table(["parameter", "type", "default"], rows) if rows else "It has no parameters."


def type_of(annotation: Any) -> str:
    """A type in words, with the range of its values."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is list:
        return f"list of {type_of(arguments[0])}"
    if origin is not Annotated:
        return f"`{inspect.formatannotation(annotation)}`".replace("|", r"\|")
    base, *fields = arguments
    signs = {"Gt": (">", "gt"), "Ge": ("≥", "ge"), "Lt": ("<", "lt"), "Le": ("≤", "le")}
    limits = []
    for limit in (limit for field in fields for limit in field.metadata):
        if type(limit).__name__ in signs:
            sign, attribute = signs[type(limit).__name__]
            limits.append(f"{sign} {getattr(limit, attribute)}")
    return ", ".join([type_of(base), *limits])


def settings(noun: str, name: str) -> Iterator[str]:
    """The shipped configs and recipes of a loss or model."""
    found = [path for path, named in shipped().items() if named[noun] == name]
    if not found:
        yield "No config that comes with docre has it."
    for path in found:
        text = (ROOT / path).read_text(encoding="utf-8").strip()
        yield f'??? note "`{path}`"\n\n' + "\n".join(f"    {line}" for line in ["```yaml", *text.splitlines(), "```"])


@cache
def shipped() -> dict[str, dict[str, str]]:
    """The model and the loss of every config and recipe in configs/, by path."""
    found = {}
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        if "task" in read_yaml(path):
            continue  # the config of something else than a relation model
        config = load_config(path)
        loss = config.loss.name if config.model.name == "atlop" else ""
        found[path.relative_to(ROOT).as_posix()] = {"model": config.model.name, "loss": loss}
    for path in sorted((ROOT / "configs/recipes").glob("*.yaml")):
        found[path.relative_to(ROOT).as_posix()] = {"model": model_of_recipe(path), "loss": ""}
    return found


def model_of_recipe(path: Path) -> str:
    """The model that a recipe's common config names."""
    recipe = cast(Mapping[str, Any], yaml.safe_load(path.read_text(encoding="utf-8")))
    common = recipe["config"]
    if isinstance(common, str):
        return load_config(path.parent / common).model.name
    return str(common.get("model", {}).get("name") or load_config(path.parent / common["extends"]).model.name)
