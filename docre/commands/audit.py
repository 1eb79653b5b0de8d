"""docre audit --config FILE --output DIR: which labels are missing or wrong; --apply FILE: correct them."""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from docre.config.loading import import_plugins, load_config
from docre.config.options import add_plugins
from docre.core.files import check_output, write_text
from docre.core.words import counted
from docre.data.readers import read
from docre.data.readers.docred import write_docred
from docre.errors import DocreError

if TYPE_CHECKING:
    from docre.audit import Audit, Suggestion
    from docre.audit.faults import Faults

FOLDS, SEEDS, PROBES, MOST = 1, 3, 150, 500  # defaults of options that --apply refuses
SHOWN = (0.9, 0.7, 0.5)  # probabilities that the summary has a line for


def main(arguments: list[str]) -> None:
    """Rank labels that are probably missing or wrong, for a review; or apply what reviewers decided."""
    parser = argparse.ArgumentParser(
        prog="docre audit",
        description="Find labels that are probably missing or wrong. Models are trained on all documents, with "
        "different seeds (--folds 5: without one fifth of them each), and judge them. A few labels are hidden from the "
        "models, and a few replaced, to measure how well such labels are found. --output gets "
        "audit.json (all suggestions, the most probable first) and review.html, a page on which they are accepted or "
        "rejected; the decisions that it saves are applied with --apply. The same command goes on after an "
        "interruption.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--config", metavar="FILE", help="the YAML file that trains the models, as for docre train")
    what.add_argument("--apply", metavar="FILE", help="decisions.json of the review page, or audit.json")
    parser.add_argument("--data", metavar="FILE", help="the labeled documents (default: data.train of the config)")
    parser.add_argument("--output", required=True, metavar="PATH", help="a folder; with --apply the file to write")
    parser.add_argument("--folds", type=int, metavar="N", help=f"parts of the documents (default: {FOLDS})")
    parser.add_argument("--seeds", type=int, metavar="N", help=f"models for each fold (default: {SEEDS})")
    parser.add_argument(
        "--probes", type=int, metavar="N", help=f"labels to hide, and to replace, at most 5%% each (default: {PROBES})"
    )
    parser.add_argument("--most", type=int, metavar="N", help=f"suggestions of each kind on the page (default: {MOST})")
    parser.add_argument(
        "--at-least", type=float, metavar="P", help="with --apply: also accept what is undecided and this probable"
    )
    parser.add_argument("changes", nargs="*", metavar="key=value", help="override a key of the config")
    add_plugins(parser)
    options = parser.parse_intermixed_args(arguments)
    import_plugins(options.plugins, "--plugins")
    if options.apply:
        own = options.folds, options.seeds, options.probes, options.most
        if options.changes or any(value is not None for value in own):
            parser.error("--folds, --seeds, --probes, --most and key=value need --config")
        apply(options.apply, options.data, options.output, options.at_least)
    elif options.at_least is not None:
        parser.error("--at-least needs --apply")
    else:
        audit(options)


def given(value: int | None, default: int) -> int:
    """The value, or the default if it was not given."""
    return default if value is None else value


def audit(options: argparse.Namespace) -> None:
    """Train the models of an audit, and write what they suggest."""
    from docre.audit import plan_audit
    from docre.audit.review import review_page
    from docre.core.cli import is_main_process
    from docre.core.manifests import locked

    config = load_config(options.config, options.changes)
    folder, data = Path(options.output), options.data or config.data.train
    folds, seeds, most = given(options.folds, FOLDS), given(options.seeds, SEEDS), given(options.most, MOST)
    planned = plan_audit(config, data, folds, seeds, folder, given(options.probes, PROBES))
    with locked(folder) if is_main_process() else nullcontext():
        planned.train()
        if not is_main_process():
            return
        found, faults = planned.suggest()
        found.save(folder / "audit.json")
        write_text(folder / "review.html", review_page(found, planned.documents, most))
    print("\n".join(summary(found.suggestions, planned, faults)))
    print(f"next: open {folder / 'review.html'}, decide, save, and run")
    print(f"  docre audit --apply decisions.json --output {Path(data).stem}_corrected.json")


def summary(suggestions: Sequence["Suggestion"], planned: "Audit", faults: Mapping[str, "Faults"]) -> list[str]:
    """How many labels are wrong or missing, as far as the models know; for some probabilities, how many suggestions
    there are, and how many of the probes were found; and how many labels were not judged."""
    from docre.audit.faults import ENOUGH
    from docre.audit.suggestions import KINDS

    labels = sum(len(document.triples or ()) for document in planned.documents)
    probes = planned.probes
    rough = " (so few that all figures are rough)" if len(probes.wrong) < ENOUGH else ""
    lines = [
        f"of {labels:,} labels about {faults['wrong'].number:,.0f} are wrong, and about "
        f"{faults['missing'].number:,.0f} are missing",
        f"{counted(len(probes.missing), 'label')} had been hidden from the models, and {len(probes.wrong):,} replaced"
        f"{rough}:",
        "  probability   missing   of the hidden   wrong   of the replaced",
    ]
    for least in SHOWN:
        missing, wrong = (sum(s.kind == kind and s.probability >= least for s in suggestions) for kind in KINDS)
        hidden, replaced = (100 * faults[kind].found(least) for kind in KINDS)
        lines.append(f"  at least {least:g}{missing:11,}{hidden:15.0f}%{wrong:8,}{replaced:17.0f}%")
    judged = sum(s.kind == "wrong" for s in suggestions)
    if unjudged := labels - judged - len(probes.missing):
        lines.append(
            f"{counted(unjudged, 'label')} could not be judged: given twice, of no candidate pair, or of a relation "
            "whose labels are all in one fold"
        )
    return lines


def apply(decisions: str, data: str | None, output: str, least: float | None) -> None:
    """Write the documents with the labels that were decided, and say what has changed."""
    from docre.audit import apply_decisions, read_suggestions
    from docre.audit.applying import accept_probable, check_digest

    if least is not None and not 0 <= least <= 1:
        raise DocreError(f"--at-least: expected a probability from 0 to 1, got {least:g}")
    suggestions = read_suggestions(decisions)
    path = data or suggestions.data
    check_output(output, [decisions, path], [".json"])
    documents = read(path, suggestions.reader)
    check_digest(suggestions, path, decisions)
    decided = suggestions.suggestions if least is None else accept_probable(suggestions.suggestions, least)
    corrected, changes = apply_decisions(documents, decided, decisions)
    write_docred(output, corrected)
    print("\n".join([f"{output}:", *changes.lines()]))
