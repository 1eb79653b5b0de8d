"""A stage that writes the targets of several teachers: the mean of their logits, or the log odds of their mean
probability."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docre.config.loading import validate_as
from docre.config.schema import Component
from docre.core.location import recorded_digest
from docre.errors import DocreError
from docre.training.stages.base import STAGES, Place
from docre.training.stages.targets import Targets, documents_of


@dataclass(frozen=True)
class Teachers(Targets):
    """The logits that a student with this loss shall have, by the checkpoints (see docre.inference.teachers).

    loss: the student's.
    """

    loss: Component

    def check(self) -> None:
        super().check()
        self.expected()

    def expected(self) -> dict[str, Any]:
        if not all(map(recorded_digest, self.checkpoints)):
            return {}
        from docre.inference.teachers import origin_of

        return origin_of(self.checkpoints, self.loss)

    def writer(self) -> Callable[[], int]:
        from docre.inference.teachers import teacher_targets

        return teacher_targets(self.checkpoints, self.loss, self.data, self.reader, Path(self.folder), self.plugins)


@STAGES.register("teachers")
def teachers_stage(place: Place, teachers: list[str], data: str | None = None, reader: str | None = None) -> Teachers:
    """What several checkpoints leave for a student with the loss of the recipe's common config. `data` and `reader`: by
    default its training data and their reader."""
    data, reader, plugins = documents_of(place, data, reader)
    common = place.common
    if not teachers or "loss" not in common:
        raise DocreError("teachers: expected checkpoints, and the student's loss in the common config")
    loss = validate_as(Component, common["loss"], "loss")
    return Teachers(place.name, place.folder, place.takes, ["logits"], teachers, data, reader, plugins, loss)
