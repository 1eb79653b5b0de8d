"""The model card of a checkpoint: the README.md of its repository on the hub, made from what the run recorded."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from docre.config.loading import parse_mapping, to_yaml, validate
from docre.config.schema import Config
from docre.core.files import read_json, read_text
from docre.core.location import find_checkpoint
from docre.data.schema import load_schema
from docre.errors import DocreError

PERCENT = {"p": "P", "r": "R", "f1": "F1", "ign_f1": "Ign-F1"}
MAX_RELATIONS = 200  # that the card lists

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
    calibration: Mapping[str, Any] | None = None,
) -> str:
    """The model card as Markdown, with the metadata that the hub reads in front.

    checkpoint:  a checkpoint, or the folder of a run. The scores are those of the run's metrics.json, if it is there.
    repository:  the name on the hub, as in owner/name.
    evaluated:   what `docre evaluate --json` wrote, instead of the run's test scores; --bootstrap adds intervals.
    calibration: what `docre calibrate` wrote, if anything.

    Raises DocreError for a file that is not what docre writes.
    """
    folder = find_checkpoint(checkpoint)
    config = validate(parse_mapping(read_text(folder / "config.yaml"), str(folder / "config.yaml")), str(folder))
    relations = load_schema(folder / "relations.json").relations
    run = folder.parent / "metrics.json"
    metrics = read_json(run) if run.is_file() else {}
    if not isinstance(metrics, dict):
        raise DocreError(f"{run}: expected an object with the scores of a run")
    if evaluated is not None:
        metrics = metrics | {"test": evaluated}
    title = f"{config.model.name} with {config.loss.name} on {config.encoder.name}"
    parts = [
        front_matter(config, metrics),
        f"# {repository.partition('/')[2]}\n\nDocument-level relation extraction, trained with docre: {title}.",
        "## How to use it\n\n" + usage(repository),
        "## Scores\n\n" + scores(metrics),
        "## Calibration\n\n" + calibrated(calibration),
        "## Training data\n\n" + data(config, metrics),
        "## Relations\n\n" + listed(relations),
        "## Training\n\n" + training(config, metrics),
        "## Limits\n\n" + LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


def front_matter(config: Config, metrics: Mapping[str, Any]) -> str:
    """The metadata of the card, in YAML between two lines of dashes."""
    values: dict[str, Any] = {"library_name": "docre", "tags": ["relation-extraction", "document-level", "docre"]}
    if "/" in config.encoder.name and not config.encoder.name.startswith(("package:", "/", ".")):
        values["base_model"] = config.encoder.name
    f1 = metrics.get("test", {}).get("f1")
    if isinstance(f1, float):
        result = {
            "task": {"type": "relation-extraction"},
            "dataset": {
                "name": Path(str(config.data.test)).name,
                "type": Path(str(config.data.test)).parent.name or "-",
            },
            "metrics": [{"type": "f1", "value": round(100 * f1, 2)}],
        }
        values["model-index"] = [{"name": f"{config.model.name}-{config.loss.name}", "results": [result]}]
    return f"---\n{yaml.safe_dump(values, sort_keys=False)}---"


def usage(repository: str) -> str:
    """What to run."""
    return f"""```python
import docre

model = docre.load("hub:{repository}")  # or "hub:{repository}@REVISION", for exactly these weights
for triples in model.predict("documents.json"):
    for triple in triples:
        print(triple.title, triple.head_name, triple.relation_name, triple.tail_name, triple.margin)
```

```bash
docre evaluate --checkpoint hub:{repository} --data test.json
```

Loading runs no code from the repository, and reads weights as safetensors only."""


def scores(metrics: Mapping[str, Any]) -> str:
    """A table of the scores on dev and test, with bootstrap intervals where they were computed."""
    splits = {"dev (best epoch)": metrics.get("best") or {}, "test": metrics.get("test") or {}}
    rows = [
        f"| {name} | {' | '.join(number(found.get(key), interval(found, key)) for key in PERCENT)} |"
        for name, found in splits.items()
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


def calibrated(calibration: Mapping[str, Any] | None) -> str:
    """The calibration, if there is one."""
    if calibration is None:
        return (
            "None comes with the model: margins order predictions, but are no probabilities. `docre calibrate` fits "
            "them on a labeled dev set."
        )
    text = json.dumps(calibration, indent=2, ensure_ascii=False)
    return f"Saved as a file, this is the `--calibration` of `docre predict`:\n\n```json\n{text}\n```"


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
