"""docre fit --checkpoint DIR --data DEV inference.name=fusion: fit an inference on dev and save it."""

import argparse

from docre.config.options import add_checkpoint, add_checkpoint_options
from docre.core.location import find_own_checkpoint
from docre.data.readers import read
from docre.errors import DocreError

SAVED = ("inference.", "evaluation.evidence_threshold")  # other keys hold for this command only


def main(arguments: list[str]) -> None:
    """Fit a checkpoint's inference on dev documents; the checkpoint then predicts with it."""
    parser = argparse.ArgumentParser(
        prog="docre fit",
        description="Fit an inference (as inference.name=fusion) on dev documents, and save in the checkpoint which "
        "one it is and what it found. Other keys hold for this command only. Training does this at its end if the "
        "config names such an inference.",
    )
    add_checkpoint(parser)
    parser.add_argument("--data", required=True, metavar="DEV", help="documents with labels, but not the test set")
    parser.add_argument("--reader", metavar="NAME", help="the format of the documents (default: the training data's)")
    add_checkpoint_options(parser)
    options = parser.parse_args(arguments)

    from docre.inference import checkpoint
    from docre.inference.calibration import fitted_calibration

    folder = find_own_checkpoint(options.checkpoint, "it would be changed")
    predictor = checkpoint.load(folder, changes=options.changes, plugins=options.plugins)
    name = predictor.config.inference.name
    if not predictor.inference.needs_fit:
        raise DocreError(f"inference {name!r} has nothing to fit (try inference.name=fusion)")
    documents = read(options.data, options.reader or predictor.config.data.reader)
    predictor.forget_calibration()
    predictor.fit_inference(predictor.prepare(documents), progress=True)
    calibration = fitted_calibration(predictor, documents)
    kept = [change for change in options.changes if change.startswith(SAVED)]
    saved = checkpoint.load(folder, changes=kept, plugins=options.plugins)
    saved.inference = predictor.inference
    saved.use(calibration)
    checkpoint.save(saved, folder)
    found = ", ".join(f"{key} {value:.4g}" for key, value in predictor.inference.fitted.items())
    print(f"{folder}: predicts with {name} now; {found}")
