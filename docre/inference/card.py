"""The model card of a checkpoint: the README.md of its repository on the hub, made from what the run recorded."""

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from docre.analysis.calibration import Calibration, load_calibration
from docre.config.loading import parse_mapping, to_yaml, validate
from docre.config.schema import Config
from docre.core import hub
from docre.core.files import read_json, read_text
from docre.core.location import find_checkpoint
from docre.core.manifests import MANIFEST, digest
from docre.data.schema import load_schema
from docre.errors import DocreError, DocreWarning
from docre.evaluation import check_scores
from docre.inference.checkpoint import CALIBRATION, TAGGER

PERCENT = {"p": "P", "r": "R", "f1": "F1", "ign_f1": "Ign-F1"}
MAX_RELATIONS = 200  # that the card lists
CHANGED = (
    "the scores of the run are left out, since this is not, or not known to be, the checkpoint that it evaluated "
    "(docre fit and docre calibrate change one)"
)

LIMITS = """\
- The model knows only the relations listed above, and predicts only those between entities that are marked in the
  document (`docre extract --tagger` marks them in plain text, with mistakes of its own).
- It learned from the documents named above. On text of another kind or language its scores are likely lower: measure
  them on a labeled sample (`docre evaluate`) before relying on them.
- A predicted triple is what a text seems to state, which may be wrong in the text, and says nothing of whether it is
  true. Do not decide about people on its grounds.
- Training data with missing labels (as DocRED) teach a model to miss relations, and count some of its right answers as
  wrong."""


def model_card(
    checkpoint: str | Path,
    repository: str,
    evaluated: Mapping[str, Any] | None = None,
    calibration: Calibration | None = None,
) -> str:
    """The model card as Markdown, with the metadata that the hub reads in front.

    checkpoint:  a checkpoint, or the folder of a run. The scores are those of the run's metrics.json, if it is there
                 and the checkpoint is still the one that the run evaluated; otherwise a DocreWarning says so.
    repository:  the name on the hub, as in owner/name.
    evaluated:   what `docre evaluate --json` wrote, instead of the run's test scores; --bootstrap adds intervals.
    calibration: one that `docre calibrate` wrote, which the card tells beside that of the checkpoint.

    Raises DocreError for a file that is not what docre writes, and for a calibration of other relations.
    """
    folder = find_checkpoint(checkpoint)
    config = validate(parse_mapping(read_text(folder / "config.yaml"), str(folder / "config.yaml")), str(folder))
    relations = load_schema(folder / "relations.json").relations
    own = load_calibration(folder / CALIBRATION) if (folder / CALIBRATION).is_file() else None
    if calibration is not None:
        calibration.check_relations(relations, "the calibration")
    metrics = recorded(folder)
    changed = bool(metrics) and metrics.get("checkpoint") != digest(folder / MANIFEST)
    if changed:
        metrics = {key: value for key, value in metrics.items() if key not in ("best", "test")}
        if evaluated is None:
            warnings.warn(f"{folder}: {CHANGED}: --scores tells others", DocreWarning, stacklevel=2)
    test_file = config.data.test
    if evaluated is not None:
        metrics = metrics | {"test": check_scores(evaluated, "the scores")}
        test_file = evaluated.get("gold_file")
    title = f"{config.model.name} with {config.loss.name} on {config.encoder.name}"
    parts = [
        front_matter(config, metrics, test_file),
        f"# {repository.partition('/')[2]}\n\nDocument-level relation extraction, trained with docre: {title}.",
        "## How to use it\n\n" + usage(repository, config.plugins, (folder / TAGGER).is_dir()),
        "## Scores\n\n" + scores(metrics, test_file) + (f"\n\nNote: {CHANGED}." if changed else ""),
        "## Calibration\n\n" + calibrated(own, calibration),
        "## Training data\n\n" + data(config, metrics),
        "## Relations\n\n" + listed(relations),
        "## Training\n\n" + training(config, metrics),
        "## Limits\n\n" + LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


def recorded(folder: Path) -> dict[str, Any]:
    """What the run recorded in the metrics.json beside its checkpoint; nothing without such a file. Raises DocreError
    if that is malformed."""
    path = folder.parent / "metrics.json"
    metrics = read_json(path) if path.is_file() else {}
    if not isinstance(metrics, dict):
        raise DocreError(f"{path}: expected an object with the scores of a run")
    for key in ("best", "test"):
        found = metrics.get(key)
        if found is not None and (not isinstance(found, dict) or "f1" in found):  # best has no scores without dev
            check_scores(found, f"{path}: {key!r}")
    return metrics


def front_matter(config: Config, metrics: Mapping[str, Any], test_file: str | None) -> str:
    """The metadata of the card, in YAML between two lines of dashes. `test_file`: of the test scores, if known."""
    values: dict[str, Any] = {"library_name": "docre", "tags": ["relation-extraction", "document-level", "docre"]}
    encoder = config.encoder.name
    if hub.is_name(encoder) and not os.path.isdir(encoder):
        values["base_model"] = encoder
    f1 = (metrics.get("test") or {}).get("f1")
    if f1 is not None and test_file:
        result = {
            "task": {"type": "relation-extraction"},
            "dataset": {"name": Path(test_file).name, "type": Path(test_file).parent.name or "-"},
            "metrics": [{"type": "f1", "value": round(100 * f1, 2)}],
        }
        values["model-index"] = [{"name": f"{config.model.name}-{config.loss.name}", "results": [result]}]
    return f"---\n{yaml.safe_dump(values, sort_keys=False)}---"


def usage(repository: str, plugins: Sequence[str], has_tagger: bool) -> str:
    """What to run, and which plugins it takes. `has_tagger`: whether the checkpoint reads plain text by itself."""
    name = f"hub:{repository}"
    more = f", plugins={list(plugins)}" if plugins else ""
    option = f" --plugins {','.join(plugins)}" if plugins else ""
    extract = f'docre extract --checkpoint {name}{option} "A text."  # with the tagger that comes with the model\n'
    needed = (
        f"The config names plugins: {', '.join(f'`{plugin}`' for plugin in plugins)}. These Python modules do not come "
        "with the model; they are code, so import them only if you trust them."
    )
    return f"""```python
import docre

model = docre.load("{name}"{more})  # or "{name}@REVISION", for exactly these weights
for triples in model.predict("documents.json"):
    for triple in triples:
        print(triple.title, triple.head_name, triple.relation_name, triple.tail_name, triple.margin)
```

```bash
docre evaluate --checkpoint {name}{option} --data test.json
{extract if has_tagger else ""}```

{needed + " " if plugins else ""}Loading runs no code from the repository, and reads weights as safetensors only."""


def scores(metrics: Mapping[str, Any], test_file: str | None) -> str:
    """A table of the scores on dev and test, with bootstrap intervals where they were computed."""
    dev = "dev (best epoch, before the inference was fitted)" if "inference" in metrics else "dev (best epoch)"
    test = f"test (`{Path(test_file).name}`)" if test_file else "test"
    rows = [
        f"| {name} | {' | '.join(number(found.get(key), interval(found, key)) for key in PERCENT)} |"
        for name, found in {dev: metrics.get("best") or {}, test: metrics.get("test") or {}}.items()
        if "f1" in found
    ]
    if not rows:
        return "None were recorded with the checkpoint."
    head = f"| | {' | '.join(PERCENT.values())} |\n|---|{'---|' * len(PERCENT)}"
    return (
        f"{head}\n"
        + "\n".join(rows)
        + "\n\nIn percent, micro-averaged; in brackets 95% intervals, if any. Dev chose the checkpoint, so its "
        "scores are too high."
    )


def interval(found: Mapping[str, Any], key: str) -> tuple[float, float] | None:
    """The bootstrap interval of a score in what `docre evaluate --json` wrote, if it has one."""
    values = found.get("bootstrap", {}).get("intervals", {}).get(key)
    return (values["low"], values["high"]) if values else None


def number(value: Any, interval: tuple[float, float] | None) -> str:
    """A score in percent, with its interval if there is one."""
    if not isinstance(value, int | float):
        return "-"
    return f"{100 * value:.2f}" + (f" [{100 * interval[0]:.2f}, {100 * interval[1]:.2f}]" if interval else "")


def calibrated(own: Calibration | None, other: Calibration | None) -> str:
    """The checkpoint's own calibration, and another one, if there are any."""
    parts = []
    if own is not None:
        texts = ", those of plain text included" if own.end_to_end else ""
        parts.append(
            f"The checkpoint has one, which is applied when it is loaded ({own.purpose}): predictions have "
            f"probabilities{texts}, fitted on labeled dev documents."
        )
    if other is not None:
        text = json.dumps(asdict(other), indent=2, ensure_ascii=False)
        parts.append(f"Saved as a file, this is a `--calibration` of `docre predict`:\n\n```json\n{text}\n```")
    return "\n\n".join(parts) or (
        "None comes with the model: margins order predictions, but are no probabilities. `docre calibrate` fits "
        "them on a labeled dev set."
    )


def data(config: Config, metrics: Mapping[str, Any]) -> str:
    """The files, with their checksums where the run recorded them."""
    digests = metrics.get("data") or {}
    lines = []
    for split in ("train", "dev", "test"):
        path = getattr(config.data, split)
        if path is not None:
            digest = digests.get(f"data.{split} file") if isinstance(digests, dict) else None
            lines.append(f"- {split}: `{path}`" + (f", SHA-256 {digest}..." if isinstance(digest, str) else ""))
    return (
        "\n".join(lines) + f"\n\nread as `{config.data.reader}`, at most {config.data.max_tokens:,} tokens a document."
    )


def listed(relations: Sequence[str]) -> str:
    """The names of the relations."""
    names = ", ".join(f"`{name}`" for name in relations[:MAX_RELATIONS])
    return f"{len(relations):,}: {names}" + (" ..." if len(relations) > MAX_RELATIONS else "")


def training(config: Config, metrics: Mapping[str, Any]) -> str:
    """Seed, device and versions of the run, and its config."""
    known = ("seed", "device", "precision", "docre", "torch", "transformers", "accelerate", "training_seconds")
    facts = ", ".join(f"{name} {metrics[name]}" for name in known if name in metrics)
    return f"{facts or 'Nothing but the config was recorded.'}\n\n```yaml\n{to_yaml(config)}```"
