"""What docre measured, from the JSON files in results/."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from scripts.docs.tables import table
from scripts.reproduce.table import spread

ROOT = Path(__file__).parents[2]
NOT_YET = "not measured yet"
Result = Mapping[str, Any]


@cache
def results() -> tuple[Result, ...]:
    """Every run that a plan of scripts/reproduce has left in results/, by path."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "results").rglob("*.json"))]
    return tuple(result for result in read if isinstance(result, dict) and {"config", "test", "dataset"} <= set(result))


def measured(noun: str, name: str) -> str:
    """A table of the runs with a loss or a model, a row for each setting."""
    runs = defaultdict(list)
    for result in results():
        config = result["config"]
        if config[noun]["name"] == name:
            runs[result["dataset"], result["loss"], config["model"]["name"], encoder(config)].append(result)
    if not runs:
        return f"Nothing: {NOT_YET}."
    rows = [
        [dataset, run, model, name_, str(len(found)), *(percent(found, key) for key in ("f1", "ign_f1", "p", "r"))]
        for (dataset, run, model, name_), found in runs.items()
    ]
    header = ["data", "run", "model", "encoder", "seeds", "test F1", "Ign-F1", "P", "R"]
    scales = "Each run with its command, seed, device and versions is in [Results](../results.md)."
    return f"{table(header, rows)}\n\n{scales}"


def encoder(config: Mapping[str, Any]) -> str:
    """The short name of a run's encoder."""
    name = str(config["encoder"]["name"])
    return "all-MiniLM-L6-v2" if "minilm" in name.lower() else name


def percent(runs: Sequence[Result], key: str) -> str:
    """A test score in percent: the mean over seeds, and their standard deviation."""
    values = [result["test"].get(key) for result in runs]
    return spread([100 * value for value in values]) if None not in values else "-"


def ours(model: str, data: str, encoder_name: str) -> str:
    """Our test F1 of a model on some data with an encoder, whatever its loss; what was not run is not measured yet."""
    found = [
        result
        for result in results()
        if result["config"]["model"]["name"] == model
        and result["dataset"] == data
        and encoder(result["config"]) == encoder_name
    ]
    if not found:
        return NOT_YET
    return "; ".join(
        f"{label}: {percent([r for r in found if r['loss'] == label], 'f1')}"
        for label in sorted({r["loss"] for r in found})
    )


def cost(dataset: str, published: str, repaired: str) -> str:
    """The test F1 as published and with a repair, and what the repair adds, in points of F1."""
    runs = {
        label: [result for result in results() if (result["dataset"], result["loss"]) == (dataset, label)]
        for label in (published, repaired)
    }
    if not all(runs.values()):
        return NOT_YET
    before, after = (100 * sum(result["test"]["f1"] for result in found) / len(found) for found in runs.values())
    return f"{before:.2f} → {after:.2f} ({after - before:+.2f}, {len(runs[repaired])} seed)"
