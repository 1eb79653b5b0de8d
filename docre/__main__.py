"""The command line: `docre COMMAND ...`, which is the same as `python -m docre COMMAND ...`."""

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence
from functools import partial

from docre.core import cli
from docre.version import VERSION

# The help line of each module in docre/commands, by group. A module is imported only when its command is run.
GROUPS = {
    "start": {
        "quickstart": "make a synthetic corpus and train a small model on it",
        "doctor": "print versions, device, precision and memory, and test that training works here",
        "new": "make a folder with a config and ten labeled documents to replace with your own",
    },
    "train": {
        "train": "train the model that a YAML config describes, or resume an interrupted run",
        "sweep": "train one model for every combination of the given config values",
        "recipe": "train in stages, each of which may take weights or targets from earlier ones",
        "distil": "distil several models into one: train a student on their logits",
    },
    "use": {
        "predict": "predict the triples in documents with a checkpoint",
        "extract": "find entities and triples in plain text with a checkpoint",
        "tag": "find the entities of labeled documents anew, to train on found entities too",
        "serve": "serve a page and a JSON API that extract from plain text",
        "graph": "convert what was extracted to RDF, Neo4j, GraphML, HTML and other formats",
        "evaluate": "score a checkpoint or a file of predictions against gold labels",
        "prompt": "write prompts for language models, whose answers docre evaluate scores",
        "targets": "write a checkpoint's logits or attention for documents, for a student to train on",
        "label": "label documents with what a checkpoint predicts, to train another model on",
        "fit": "fit an inference (as fusion) on dev documents, and save it in the checkpoint",
        "calibrate": "shift a checkpoint's margins for the best F1, or for a target precision or recall",
    },
    "look": {
        "analyze": "analyze a checkpoint's thresholds, its errors and the calibration of its margins",
        "audit": "find labels that are missing or wrong, for a review, and correct them",
        "compare": "compare models over several seeds: mean, deviation, a test, tables for papers",
        "report": "write an HTML page about runs: curves, scores, plots, a document viewer",
        "losses": "list the losses with their parameters and references",
        "models": "list the models with their parameters and references",
        "terms": "list the terms that can be added to the loss",
        "inferences": "list the ways from a trained model to predictions",
    },
    "data": {
        "stats": "count documents, entities, pairs and labels in a file, and list irregularities",
        "convert": "convert documents of any format to DocRED JSON",
        "push": "upload a checkpoint to the Hugging Face hub, with a model card",
        "import-checkpoint": "make a checkpoint of the weights that published code saved",
        "download": "download a benchmark, or explain how to obtain it",
        "synthetic": "generate a synthetic corpus",
    },
}
COMMANDS = {name: text for group in GROUPS.values() for name, text in group.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the first argument names, and pass it the other arguments (default: those of the process).

    How it ends, its exit codes included, is described in docre.core.cli.run.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and arguments[0] in COMMANDS:
        command = importlib.import_module(f"docre.commands.{arguments[0].replace('-', '_')}")
        cli.run(partial(command.main, arguments[1:]))
        return
    parser = argparse.ArgumentParser(
        prog="docre",
        usage="docre COMMAND ...",
        description="Document-level relation extraction. `docre COMMAND --help` explains a command.",
        epilog=overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"docre {VERSION}")
    parser.add_argument("command", metavar="COMMAND", help="one of the commands below")
    options, _ = parser.parse_known_args(arguments)
    close = difflib.get_close_matches(options.command, COMMANDS, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(COMMANDS)}"
    parser.error(f"no command {options.command!r}: {hint}")


def overview() -> str:
    """The text of `docre --help`: one line for each command, by group."""
    lines, width = [], max(map(len, COMMANDS)) + 2
    for group, commands in GROUPS.items():
        lines += [f"{group}:", *(f"  {name:<{width}}{text}" for name, text in commands.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
