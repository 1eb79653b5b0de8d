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
from pathlib import Path
from typing import Any

import torch

from docre.audit import apply_decisions, plan_audit
from docre.audit.applying import accept_probable
from docre.audit.damage import Damage, cells_of, damage
from docre.audit.suggestions import Suggestion
from docre.commands.audit import FOLDS, PROBES, SEEDS
from docre.config.loading import load_config
from docre.core import cli
from docre.data.readers import read
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.inference.checkpoint import load
from docre.training.environment import device_name, versions
from docre.training.stages import run_stages
from docre.training.stages.train import Train
from scripts.audit.measures import audited, by_margin
from scripts.audit.record import Record
from scripts.audit.table import ACCEPTED
from scripts.fitted import f1_with_fitted_threshold

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
SETTING = ("share", "by", "wrong", "folds", "seeds", "probes", "seed")


def main(arguments: list[str]) -> None:
    """Audit a damaged file, correct it, and train models on all versions of it."""
    options = parse(arguments)
    damaged = f"{options.by}-{options.share:g}-wrong-{options.wrong:g}-seed-{options.seed}"
    way = f"folds-{options.folds}-seeds-{options.seeds}"
    base = options.runs / damaged
    folder = base / way  # of the audit; other audits of the same damaged file share the other models
    changes = [*options.set, f"seed={options.seed}"]
    config = load_config(options.config, changes)
    if not config.data.dev or not config.data.test:
        raise DocreError(f"{options.config}: data.dev and data.test are needed, to fit thresholds and to score models")
    complete = read(config.data.train, config.data.reader)
    known = damage(complete, options.share, options.wrong, options.seed, WAYS[options.by])
    folders = {"damaged": base, "corrected": folder, "reviewed": folder, "complete": base}  # of the files, and models
    files = {name: str(where / f"{name}.json") for name, where in folders.items()} | {"complete": config.data.train}
    write_docred(files["damaged"], known.documents)
    about = {
        "setting": {key: getattr(options, key) for key in SETTING},
        "config": config.model_dump(),
        "labels": sum(len(d.triples or ()) for d in complete),
        "missing": len(known.missing),
        "wrong": len(known.wrong),
    }
    record = Record(options.results / f"{damaged}-{way}.json", about)
    audit = plan_audit(config, files["damaged"], options.folds, options.seeds, folder, options.probes)
    audit.train()
    found, suggestions = audited(audit, known)
    record.save(
        command=shlex.join(["python", "-m", "scripts.audit", *arguments]),
        device=device_name(torch.device("cuda" if torch.cuda.is_available() else "cpu")),
        versions=versions(),
        applied=correct(known, suggestions, files),
        **found,
    )
    test = read(str(config.data.test), config.data.reader)
    for model in options.models:
        file, own = MODELS[model]
        output = folders[file] / model.replace("α=", "alpha-").replace(" ", "-")
        trained = load_config(options.config, [*changes, *own, f"data.train={files[file]}", f"output={output}"])
        stage = Train(model, output, (), trained)
        for _ in run_stages([stage], f"remove {output}"):
            pass
        metrics = stage.metrics()
        scores = {"dev": metrics["best"]["f1"]} | {k: metrics["test"][k] for k in ("p", "r", "f1", "ign_f1")}
        predictor = load(output)
        if model == "damaged":
            record.save(margin=by_margin(predictor, known))
        scores["f1_fitted"] = f1_with_fitted_threshold(predictor, test)
        record.save(trained=record.found.get("trained", {}) | {model: scores})
    print(f"written to {record.file} and {record.readme}")


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options of a measurement."""
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
    for option, share in (("--share", options.share), ("--wrong", options.wrong)):
        if not 0 <= share < 1:
            raise DocreError(f"{option}: expected a share from 0 to below 1, got {share:g}")
    return options


def correct(known: Damage, suggestions: Sequence[Suggestion], files: dict[str, str]) -> dict[str, Any]:
    """Write the file with all probable suggestions applied, and that with those which are right; what they change."""
    accepted = accept_probable(suggestions, ACCEPTED)
    corrected, changed = apply_decisions(known.documents, accepted)
    write_docred(files["corrected"], corrected)
    faults = known.missing | known.wrong
    right = [s for s in accepted if (s.document, s.head, s.tail, s.relation) in faults]
    write_docred(files["reviewed"], apply_decisions(known.documents, right)[0])
    now = cells_of(corrected)
    return {
        "added": changed.added.total(),
        "added_right": len(now & known.missing),
        "removed": changed.removed.total(),
        "removed_right": len(known.wrong - now),
    }


if __name__ == "__main__":
    cli.run(partial(main, sys.argv[1:]))
