"""docre sweep --config FILE loss.alpha=3,6 seed=66,67: train every combination of values of config keys."""

import argparse
import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from docre.analysis import plots
from docre.config.loading import load_config
from docre.config.schema import Config
from docre.core.cli import is_main_process
from docre.core.files import write_json
from docre.errors import DocreError

# Each measure, and where it is in metrics.json.
MEASURES = {"dev F1": ("best", "f1"), "test F1": ("test", "f1"), "test Ign-F1": ("test", "ign_f1")}
SEED = "seed"
MAX_NAME = 150  # bytes of a folder's name, of 255 that file systems allow


def main(arguments: list[str]) -> None:
    """Train every combination of the given values that is not trained yet, and summarize the runs."""
    parser = argparse.ArgumentParser(
        prog="docre sweep",
        description="Train every combination of the given values, one run after another, each in a folder of its own "
        "in the config's `output`. Runs that have finished there with the same config are not repeated.",
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="the YAML file, as for docre train")
    parser.add_argument(
        "values",
        nargs="+",
        metavar="key=a,b",
        help="the values of a key, as in loss.alpha=3,6 or seed=66,67; loss.alpha=auto tries three values that "
        "depend on the number of relations",
    )
    options = parser.parse_args(arguments)
    sweep(options.config, options.values)


@dataclass(frozen=True)
class Run:
    """One run of the grid: its values of the keys that vary, as strings, and its complete config."""

    values: Mapping[str, str]
    config: Config


def sweep(path: str | Path, values: Sequence[str]) -> list[dict[str, Any]]:
    """Train the runs that are not finished; print a table, and write sweep.json and sweep.png into `output`.

    path:   the YAML file of the config.
    values: "key=value,value" for each key that varies.
    Returns the rows of the table (see `summarize`). All configs are checked before the first run starts.
    """
    from docre.training.stages import run_stages
    from docre.training.stages.train import Train

    output, runs = plan(path, values)
    folders = [Path(run.config.output) for run in runs]
    stages = [Train(folder.name, folder, (), run.config) for folder, run in zip(folders, runs, strict=True)]
    for _ in run_stages(stages, f"remove their folders from {output}, or choose another `output`"):
        pass
    found = [stage.metrics() for stage in stages]
    results = [
        (run, {measure: pick(metrics, *keys) for measure, keys in MEASURES.items()})
        for run, metrics in zip(runs, found, strict=True)
    ]
    rows = summarize(results)
    if not is_main_process():
        return rows
    write_json(output / "sweep.json", rows)
    print(f"\n{table(rows)}\n\nwritten to {output}/: sweep.json", end="")
    if plots.available():
        plots.save_png(plot(rows), output / "sweep.png")
        print(", sweep.png", end="")
    print()
    return rows


def plan(path: str | Path, values: Sequence[str]) -> tuple[Path, list[Run]]:
    """The folder of the sweep and its runs: every combination of the values, in the given order.

    Raises DocreError for a config that is wrong, and for a key or a combination that is given twice.
    """
    keys = dict(parse(text) for text in values)
    if len(keys) < len(values):
        raise DocreError("a key is given twice")
    base = load_config(path, [f"{key}={options[0]}" for key, options in keys.items() if options != ["auto"]])
    keys.pop("output", None)
    if not keys:
        raise DocreError("nothing varies: expected a key with values besides output, as loss.alpha=3,6")
    if keys.get("loss.alpha") == ["auto"]:
        from docre.training.corpus import read_corpus

        keys["loss.alpha"] = [f"{alpha:g}" for alpha in alpha_guideline(len(read_corpus(base).schema.relations))]
    combinations = [dict(zip(keys, chosen, strict=True)) for chosen in itertools.product(*keys.values())]
    names = folder_names(combinations)
    runs = []
    for chosen, name in zip(combinations, names, strict=True):
        config = load_config(path, [f"{key}={value}" for key, value in chosen.items()])
        runs.append(Run(chosen, config.model_copy(update={"output": str(Path(base.output) / name)})))
    if len(set(names)) < len(names):
        raise DocreError("the same combination of values is given twice")
    return Path(base.output), runs


def folder_names(combinations: Sequence[Mapping[str, str]]) -> list[str]:
    """The name of each run's folder, such as "loss.alpha=3,seed=66". What a file name should not have is replaced;
    a name that is too long, or another one's too, ends with a digest of the values."""
    texts = [",".join(f"{key}={value}" for key, value in values.items()) for values in combinations]
    names = [re.sub(r"[^\w.=,+-]+", "_", text) for text in texts]
    found = []
    for text, name in zip(texts, names, strict=True):
        if names.count(name) > 1 or len(name.encode()) > MAX_NAME:
            short = name.encode()[:MAX_NAME].decode(errors="ignore")
            name = f"{short}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        found.append(name)
    return found


def parse(text: str) -> tuple[str, list[str]]:
    """The key and the values of "loss.alpha=3,6". Commas inside brackets do not separate values."""
    key, _, options = text.partition("=")
    values, depth = [""], 0
    for letter in options:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and not depth:
            values.append("")
        else:
            values[-1] += letter
    if not key or depth or not all(values):
        raise DocreError(f"expected key=value,value (as loss.alpha=3,6), got {text!r}")
    if key == "output" and len(values) > 1:
        raise DocreError("output: cannot vary: each run gets a folder of its own inside it")
    return key, values


def alpha_guideline(relations: int) -> tuple[float, float, float]:
    """Three values of ATGL's α to try on dev: α0 / 2, α0 and 2 α0, rounded to two decimals. For R relations

        α0 = 6 R^(1/7)

    The ATGL paper starts from an α0 of "around 7 for smaller label spaces, 16–20 for larger ones", about 7.5 for binary
    tasks, and then tries {α0 / 2, α0, 2 α0} on dev. It gives no formula. This one is docre's own and deviates from
    those starting points: a slow power of R for which all published values lie between α0 / 2 and 2 α0 (Re-DocRED,
    R = 96: α 16.5, α0 11.5; DocGNRE, 96: 20, 11.5; DWIE, 65: 6, 10.9; CDR, 2 classes: 7.5, 6.6).
    """
    start = 6 * relations ** (1 / 7)
    return round(start / 2, 2), round(start, 2), round(2 * start, 2)


def pick(metrics: dict[str, Any], part: str, key: str) -> float | None:
    """The number at metrics[part][key] of a metrics.json; None if the run has no such part."""
    return (metrics.get(part) or {}).get(key)


def summarize(results: Sequence[tuple[Run, Mapping[str, float | None]]]) -> list[dict[str, Any]]:
    """One row for each combination of values, seeds apart: for each measure the mean and the sample standard deviation
    (None for a single run) over its runs, as fractions, or None if no run has the measure."""
    groups: dict[tuple[tuple[str, str], ...], list[Mapping[str, float | None]]] = {}
    for run, measured in results:
        key = tuple((name, value) for name, value in run.values.items() if name != SEED)
        groups.setdefault(key, []).append(measured)
    rows = []
    for key, group in groups.items():
        row: dict[str, Any] = {"values": dict(key), "runs": len(group)}
        for measure in MEASURES:
            scores = [score for measured in group if (score := measured[measure]) is not None]
            std = stdev(scores) if len(scores) > 1 else None
            row[measure] = {"mean": mean(scores), "std": std, "values": scores} if scores else None
        rows.append(row)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a text table, in percent, with a mark at the best dev F1."""
    names = [" ".join(f"{key}={value}" for key, value in row["values"].items()) or "all" for row in rows]
    width = max(len(name) for name in names) + 2
    lines = [f"{'':<{width}}{'runs':>5}" + "".join(f"{measure:>18}" for measure in MEASURES)]
    best = max((row["dev F1"]["mean"] for row in rows if row["dev F1"]), default=None)
    for name, row in zip(names, rows, strict=True):
        line = f"{name:<{width}}{row['runs']:>5}" + "".join(
            f"{_mean_and_std(row[measure]):>18}" for measure in MEASURES
        )
        lines.append(line + ("  best dev F1" if row["dev F1"] and row["dev F1"]["mean"] == best else ""))
    return "\n".join(lines)


def _mean_and_std(value: dict[str, Any] | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value['mean']:.2f}" + ("" if value["std"] is None else f" ± {100 * value['std']:.2f}")


def plot(rows: Sequence[dict[str, Any]]) -> Any:
    """A matplotlib figure of each measure over the values, with standard deviations as error bars.

    If there is a single key and its values are numbers, the x axis is numeric; otherwise it has one label per row.
    """
    keys = list(rows[0]["values"])
    numbers = [_number(row["values"][keys[0]]) for row in rows] if len(keys) == 1 else [None]
    numeric = all(number is not None for number in numbers)
    xs = numbers if numeric else ["\n".join(f"{k}={v}" for k, v in row["values"].items()) or "all" for row in rows]
    lines = {measure: list(_points(rows, xs, measure)) for measure in MEASURES}
    shown = {measure: sorted(points) if numeric else points for measure, points in lines.items() if points}
    return plots.error_bar_plot(shown, keys[0] if numeric else "", "% (mean, bars: standard deviation)")


def _points(rows: Sequence[dict[str, Any]], xs: Sequence[Any], measure: str) -> Iterator[tuple[Any, float, Any]]:
    for x, row in zip(xs, rows, strict=True):
        if row[measure] is not None:
            std = row[measure]["std"]
            yield x, 100 * row[measure]["mean"], None if std is None else 100 * std


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
