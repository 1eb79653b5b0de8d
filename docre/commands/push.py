"""docre push --checkpoint DIR owner/name: upload a checkpoint to the Hugging Face hub, with a model card."""

import argparse
from pathlib import Path

from docre.config.options import add_checkpoint
from docre.core import hub
from docre.core.files import check_output, write_text


def main(arguments: list[str]) -> None:
    """Upload the files of a checkpoint and its model card in one commit, or write the card only."""
    parser = argparse.ArgumentParser(
        prog="docre push",
        description="Upload a checkpoint to the Hugging Face hub, with a model card made from the metrics of its run: "
        "scores, data, relations, config, versions, use and limits. Log in before (hf auth login). "
        'docre.load("hub:owner/name") loads it again.',
    )
    parser.add_argument("repository", metavar="OWNER/NAME", help="the repository, which is created if it is missing")
    add_checkpoint(parser)
    parser.add_argument(
        "--scores", metavar="FILE", help="test scores for the card, from docre evaluate --bootstrap 1000 --json FILE"
    )
    parser.add_argument("--calibration", metavar="FILE", help="also tell this calibration (from docre calibrate)")
    parser.add_argument("--private", action="store_true", help="create a private repository")
    parser.add_argument("--revision", metavar="BRANCH", help="a branch that exists (default: main)")
    parser.add_argument("--card", type=Path, metavar="FILE", help="write the model card to this file, upload nothing")
    options = parser.parse_args(arguments)
    if options.card:
        check_output(options.card, [options.scores, options.calibration])
    hub.check_repository(options.repository, "docre push")

    from docre.analysis.calibration import load_calibration
    from docre.core.location import find_checkpoint
    from docre.core.manifests import MANIFEST, check_folder
    from docre.evaluation import read_scores
    from docre.inference.card import model_card

    folder = find_checkpoint(options.checkpoint)
    files = [*check_folder(folder), MANIFEST]
    scores = read_scores(options.scores) if options.scores else None
    calibration = load_calibration(options.calibration) if options.calibration else None
    card = model_card(options.checkpoint, options.repository, scores, calibration)
    if options.card:
        write_text(options.card, card)
        print(f"{options.card}: the model card; nothing uploaded")
        return
    commit = hub.upload(
        options.repository, {name: folder / name for name in files}, card, options.revision, options.private
    )
    print(f"uploaded {len(files)} files and the model card: {commit.url}")
    print(f'docre.load("hub:{options.repository}@{commit.id}") loads exactly this checkpoint')
