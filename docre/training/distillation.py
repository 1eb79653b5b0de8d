"""Distillation of an ensemble into one model, in two stages: the teachers' logits are written, and a student learns
from them."""

from collections.abc import Sequence
from pathlib import Path

from docre.config.loading import validate
from docre.config.schema import Config, WeightedTerm
from docre.core.location import find_checkpoint
from docre.data.schema import load_schema
from docre.errors import DocreError
from docre.training.stages import Stage
from docre.training.stages.teachers import Teachers
from docre.training.stages.train import Train


def distillation(config: Config, teachers: Sequence[str], weight: float = 1.0) -> list[Stage]:
    """The stages that make a student of its teachers: `targets` and `student`, in folders of these names in the
    config's `output`.

    config:   the student's. It gets data.targets and the term `distil`, and without data.relations those of the
              teachers.
    teachers: checkpoints of the same relations (see docre.inference.teachers).
    weight:   of the term.

    Raises DocreError if the config names targets, a term `distil` or tagged documents, or has other relations than the
    first teacher or another order of them.
    """
    if config.data.targets is not None:
        raise DocreError("data.targets: leave it out: the teachers' targets are written by this command")
    if config.data.tagged is not None:
        raise DocreError("data.tagged: the teachers' targets are for the entities of data.train only")
    if any(term.name == "distil" for term in config.terms):
        raise DocreError("terms: leave distil out: this command adds it, with --weight")
    of_teacher = str(find_checkpoint(teachers[0]) / "relations.json")
    relations = config.data.relations or of_teacher
    if load_schema(relations).relations != load_schema(of_teacher).relations:
        raise DocreError(f"data.relations: not those of {teachers[0]} in their order; without it they are")
    output, data = Path(config.output), config.data
    targets = output / "targets"
    logits = Teachers(
        "targets", targets, (), ["logits"], teachers, data.train, data.reader, config.plugins, config.loss
    )
    terms = [*config.terms, WeightedTerm(name="distil", weight=weight)]
    changed = {
        "output": str(output / "student"),
        "data": data.model_dump() | {"targets": str(targets), "relations": relations},
        "terms": [term.model_dump() for term in terms],
    }
    student = validate(config.model_dump() | changed, "the student's config")
    return [logits, Train("student", output / "student", (logits,), student)]
