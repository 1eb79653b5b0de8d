"""docre audit --config FILE --output DIR: which labels are missing or wrong; --apply FILE: correct them."""

import argparse
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from docre.config.loading import load_config
from docre.core.files import check_output, write_text
from docre.core.words import counted
from docre.data.readers import read
from docre.data.readers.docred import write_docred
from docre.documents import Document
from docre.errors import DocreError

if TYPE_CHECKING:
    from docre.audit import Suggestion

FOLDS, SEEDS, MOST = 5, 1, 500  # defaults of options that --apply refuses


def main(arguments: list[str]) -> None:
    """Rank labels that are probably missing or wrong, for a review; or apply what reviewers decided."""
    parser = argparse.ArgumentParser(
        prog="docre audit",
        description="Find labels that are probably missing or wrong. The documents are divided into folds; models are "
        "trained without one fold each (--folds 1: on all documents), and all of them judge. --output gets "
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
    parser.add_argument("--most", type=int, metavar="N", help=f"suggestions of each kind on the page (default: {MOST})")
    parser.add_argument(
        "--at-least", type=float, metavar="P", help="with --apply: also accept what is undecided and this probable"
    )
    parser.add_argument("changes", nargs="*", metavar="key=value", help="override a key of the config")
    options = parser.parse_intermixed_args(arguments)
    if options.apply:
        if options.changes or any(value is not None for value in (options.folds, options.seeds, options.most)):
            parser.error("--folds, --seeds, --most and key=value need --config")
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
    planned = plan_audit(config, data, folds, seeds, folder)
    with locked(folder) if is_main_process() else nullcontext():
        planned.train()
        if not is_main_process():
            return
        found, missing = planned.suggest()
        found.save(folder / "audit.json")
        write_text(folder / "review.html", review_page(found, planned.documents, most))
    print("\n".join(summary(found.suggestions, planned.documents, missing)))
    print(f"next: open {folder / 'review.html'}, decide, save, and run")
    print(f"  docre audit --apply decisions.json --output {Path(data).stem}_corrected.json")


def summary(suggestions: Sequence["Suggestion"], documents: Sequence[Document], missing: float) -> list[str]:
    """How many labels are wrong or missing (`missing`), as far as the models know, and how many they could not
    judge."""
    labels = sum(len(document.triples or ()) for document in documents)
    suggested, wrong = ([s.probability for s in suggestions if s.kind == kind] for kind in ("missing", "wrong"))
    lines = [
        f"of {labels} labels about {sum(wrong):.0f} are wrong, and about {missing:.0f} are missing, of which about "
        f"{sum(suggested):.0f} are among the {len(suggested):,} suggestions"
    ]
    if unjudged := labels - len(wrong):
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
