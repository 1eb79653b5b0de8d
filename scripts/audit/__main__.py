"""Measures how well `docre audit` finds labels that were taken away or replaced, and what correcting them is worth.

    python -m scripts.audit [--share 0.3] [--by random] [--wrong 0.05] [--folds 1] [--seeds 3] [--seed 66]
                            [--models NAME ...]

Labels of the training file are removed and replaced with a seed; the audit, and a single model trained on the whole
damaged file (the usual way to look for missing labels: its margins on its own training documents), rank all candidates.
Then models are trained on the damaged file; on the file with the probable suggestions applied, all of them, or those
that are right (a reviewer who makes no mistakes); and on the complete file. Everything resumes. One JSON file a setting
goes to results/audit/, and a table of all of them to README.md there.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from docre.analysis.curves import reliability_bins
from docre.analysis.table import Bools
from docre.audit import Audit, apply_decisions, plan_audit
from docre.audit.applying import accept_probable
from docre.audit.damage import Damage, cells_of, damage, marked
from docre.audit.judging import Judgment, score
from docre.audit.suggestions import KINDS, Suggestion
from docre.commands.audit import FOLDS, PROBES, SEEDS
from docre.config.loading import load_config
from docre.config.schema import Config
from docre.core import cli
from docre.core.files import read_json, write_json, write_text
from docre.data.readers import read
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.evaluation import evaluate
from docre.inference.calibration import load_calibrated
from docre.inference.checkpoint import load
from docre.inference.probe import margin_table
from docre.training.environment import device_name, versions
from docre.training.stages import run_stages
from docre.training.stages.train import Train
from scripts.audit.ranking import quality
from scripts.audit.table import ACCEPTED, readme

BINS = 5  # of the suggestions' probabilities
WAYS = {"random": 0.0, "frequency": 0.5}  # how much more often labels of rare relations are removed

# each model that is trained: the file that it is trained on, and how its config differs
MODELS: dict[str, tuple[str, list[str]]] = {
    "damaged": ("damaged", []),
    "corrected": ("corrected", []),
    "reviewed": ("reviewed", []),
    "complete": ("complete", []),
    "ssr_pu": ("damaged", ["loss.name=ssr_pu"]),
    "atgl α=4": ("damaged", ["loss.name=atgl", "loss.alpha=4"]),
    "atgl α=16.5": ("damaged", ["loss.name=atgl", "loss.alpha=16.5"]),
}


def audited(audit: Audit, known: Damage) -> tuple[dict[str, Any], list[Suggestion]]:
    """The quality of the audit's two rankings, of those of the models alone that have not seen the labels, and of the
    probabilities of its suggestions; how many faults it expects; and the suggestions."""
    rankings = {"audit": "probability"}
    if len(audit.folds) > 1:  # with one, all models have seen all labels
        rankings["held_out"] = "held_out"
    scores: dict[tuple[str, str], list[Any]] = {(by, kind): [] for by in rankings for kind in KINDS}
    right: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    faulty = {"missing": known.missing, "wrong": known.wrong}

    def watch(positions: Sequence[int], judgment: Judgment, probes: Bools) -> None:
        for kind in KINDS:
            where = judgment.candidates(kind) & ~probes
            right[kind].append(marked(judgment.table, faulty[kind], positions)[where])
            for by, field in rankings.items():
                scores[by, kind].append(score(getattr(judgment, field)[where], kind))

    suggestions, faults = audit.suggest(watch)
    found: dict[str, dict[str, Any]] = {by: {} for by in rankings}
    for (by, kind), of_ranking in scores.items():
        found[by][kind] = quality(np.concatenate(of_ranking), np.concatenate(right[kind]))
    for kind in KINDS:
        of_kind = [s for s in suggestions.suggestions if s.kind == kind]
        probability = np.array([s.probability for s in of_kind])
        hits = np.array([(s.document, s.head, s.tail, s.relation) in faulty[kind] for s in of_kind], dtype=bool)
        bins, _ = reliability_bins(probability, hits, BINS)
        found["audit"][kind] |= {"expected": faults[kind].number, "bins": [b._asdict() for b in bins]}
    return found, list(suggestions.suggestions)


def by_margin(run: Path, known: Damage) -> dict[str, Any]:
    """The quality of the rankings by the margins of one model on the documents that it was trained on."""
    table = margin_table(load(run), known.documents, progress=True)
    places = range(len(known.documents))
    missing, wrong = (marked(table, cells, places) for cells in (known.missing, known.wrong))
    return {
        "missing": quality(table.margins[~table.labels], missing[~table.labels]),
        "wrong": quality(-table.margins[table.labels], wrong[table.labels]),
    }


def with_fitted_threshold(run: Path, config: Config) -> float | None:
    """The test F1 of a model whose threshold is fitted on the dev documents, as by `docre evaluate --dev`."""
    model = load_calibrated(run, dev=config.data.dev)
    test = read(str(config.data.test), config.data.reader)
    return evaluate(list(chain.from_iterable(model.predict(test, progress=True))), test).f1


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/redocred500_minilm_atl.yaml")
    parser.add_argument("--share", type=float, default=0.3, help="of the labels that are removed")
    parser.add_argument("--by", choices=WAYS, default="random", help="which labels: all alike, or rare ones first")
    parser.add_argument("--wrong", type=float, default=0.05, help="share of the others that are replaced")
    parser.add_argument("--folds", type=int, default=FOLDS, help="as of docre audit")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="as of docre audit")
    parser.add_argument("--probes", type=int, default=PROBES, help="as of docre audit")
    parser.add_argument("--seed", type=int, default=66)
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS))
    parser.add_argument("--runs", type=Path, default=Path("runs/audit"))
    parser.add_argument("--results", type=Path, default=Path("results/audit"))
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", help="changes to the config")
    options = parser.parse_args(arguments)
    damaged = f"{options.by}-{options.share:g}-wrong-{options.wrong:g}-seed-{options.seed}"
    way = f"folds-{options.folds}-seeds-{options.seeds}"
    base, result = options.runs / damaged, options.results / f"{damaged}-{way}.json"
    folder = base / way  # of the audit; other audits of the same damaged file share the other models
    changes = [*options.set, f"seed={options.seed}"]
    config = load_config(options.config, changes)
    complete = read(config.data.train, config.data.reader)
    for option, share in (("--share", options.share), ("--wrong", options.wrong)):
        if not 0 <= share < 1:
            raise DocreError(f"{option}: expected a share from 0 to below 1, got {share:g}")
    known = damage(complete, options.share, options.wrong, options.seed, WAYS[options.by])
    folders = {"damaged": base, "corrected": folder, "reviewed": folder, "complete": base}  # of the files, and models
    files = {name: str(where / f"{name}.json") for name, where in folders.items()} | {"complete": config.data.train}
    write_docred(files["damaged"], known.documents)
    done: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "scripts.audit", *arguments]),
        "device": device_name(torch.device("cuda" if torch.cuda.is_available() else "cpu")),
        "versions": versions(),
        "setting": {key: getattr(options, key) for key in ("share", "by", "wrong", "folds", "seeds", "probes", "seed")},
        "config": config.model_dump(),
        "labels": sum(len(d.triples or ()) for d in complete),
        "missing": len(known.missing),
        "wrong": len(known.wrong),
    }
    if result.is_file():  # what an earlier call has found in the same setting is kept
        before = read_json(result)
        if all(before.get(key) == done[key] for key in ("setting", "config", "labels", "missing", "wrong")):
            done = before | done

    def save(**found: Any) -> None:
        done.update(found)
        write_json(result, done)
        every = [read_json(path) for path in sorted(options.results.glob("*.json"))]
        write_text(options.results / "README.md", readme(every))

    audit = plan_audit(config, files["damaged"], options.folds, options.seeds, folder, options.probes)
    audit.train()
    found, suggestions = audited(audit, known)
    save(**found)
    accepted = accept_probable(suggestions, ACCEPTED)
    corrected, changed = apply_decisions(known.documents, accepted)
    write_docred(files["corrected"], corrected)
    faults = known.missing | known.wrong
    right = [s for s in accepted if (s.document, s.head, s.tail, s.relation) in faults]
    write_docred(files["reviewed"], apply_decisions(known.documents, right)[0])
    now = cells_of(corrected)
    save(
        applied={
            "added": changed.added.total(),
            "added_right": len(now & known.missing),
            "removed": changed.removed.total(),
            "removed_right": len(known.wrong - now),
        }
    )
    scores: dict[str, Any] = done.get("trained", {})
    for model in options.models:
        file, own = MODELS[model]
        output = folders[file] / model.replace("α=", "alpha-").replace(" ", "-")
        trained = load_config(options.config, [*changes, *own, f"data.train={files[file]}", f"output={output}"])
        stage = Train(model, output, (), trained)
        for _ in run_stages([stage], f"remove {output}"):
            pass
        metrics = stage.metrics()
        scores[model] = {"dev": metrics["best"]["f1"]} | {k: metrics["test"][k] for k in ("p", "r", "f1", "ign_f1")}
        scores[model]["f1_fitted"] = with_fitted_threshold(output, trained)
        save(trained=scores, **({"margin": by_margin(output, known)} if model == "damaged" else {}))
    print(f"written to {result} and {options.results / 'README.md'}")


if __name__ == "__main__":
    cli.run(partial(main, sys.argv[1:]))
