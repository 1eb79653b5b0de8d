"""docre distil --config FILE --teacher A --teacher B [key=value ...]: distil an ensemble into one model."""

import argparse
import math

from docre.config.loading import load_config
from docre.core.cli import is_main_process
from docre.errors import DocreError


def main(arguments: list[str]) -> None:
    """Write what the teachers leave for a student's training documents, and train the student on it."""
    parser = argparse.ArgumentParser(
        prog="docre distil",
        description="Distil several models into one. The teachers' logits for the training documents are written to "
        "OUTPUT/targets, and a student is trained in OUTPUT/student as docre train does, with the term distil beside "
        "its loss. OUTPUT is the output of the config. An interrupted command goes on when it is given again.",
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="the student's config, as for docre train")
    parser.add_argument(
        "--teacher", required=True, action="append", metavar="DIR", help="a checkpoint, or a run; may be repeated"
    )
    parser.add_argument("--weight", type=float, default=1.0, metavar="W", help="of the term distil (%(default)s)")
    parser.add_argument("--update", action="store_true", help="do again what has changed, and delete its old result")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change a key of the config")
    options = parser.parse_args(arguments)
    if not (math.isfinite(options.weight) and options.weight > 0):
        raise DocreError(f"--weight: expected a number above 0, got {options.weight}")
    config = load_config(options.config, options.overrides)

    from docre.training.distillation import distillation
    from docre.training.stages import run_stages

    stages = distillation(config, options.teacher, options.weight)
    for _ in run_stages(stages, "--update does these again", options.update):
        pass
    if is_main_process():
        print(f"{stages[-1].folder}: the student of {len(options.teacher)} teachers")
