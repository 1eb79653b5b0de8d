"""A stage that writes a teacher's targets, from which a student learns: a call of `docre targets`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from docre.config.loading import import_plugins, read_saved_config
from docre.core.location import find_checkpoint, recorded_digest
from docre.core.manifests import MANIFEST, digest_of_version, locked, remove
from docre.data.readers import READERS
from docre.data.targets import ORIGIN, first_difference, read_origin, shard_path, shard_titles
from docre.errors import DocreError, prefixed
from docre.training.interrupts import Interrupts
from docre.training.stages.base import STAGES, Place, Stage, Standing
from docre.training.stages.costs import count_documents, duration, size
from docre.training.stages.train import Train


@dataclass(frozen=True)
class Targets(Stage):
    """The targets of these names, of a checkpoint for the documents of a file.

    plugins: modules to import before the checkpoint is loaded.
    """

    names: Sequence[str]
    checkpoints: Sequence[str]
    data: str
    reader: str
    plugins: Sequence[str]

    @property
    def targets_of(self) -> str | None:
        return self.data

    def check(self) -> None:
        with prefixed(self.name):
            if not self.names:
                raise DocreError('targets: expected names, such as "logits", got none')
            READERS[self.reader]  # raises DocreError for an unknown reader
            if not self.will_exist(self.data):
                raise DocreError(f"data: {self.data}: no such file or folder")
            for checkpoint in self.checkpoints:
                self.check_checkpoint(checkpoint)

    def standing(self) -> Standing:
        origin = read_origin(self.folder)
        if not origin:
            return Standing("new")
        expected = {"targets": sorted(set(self.names))} | self.expected()
        if Path(self.data).is_file():
            expected["data"] = digest_of_version(Path(self.data))
        difference = first_difference(origin, expected)
        if difference:
            return Standing("stale", difference)
        return Standing("finished" if (self.folder / MANIFEST).is_file() else "interrupted")

    def expected(self) -> dict[str, Any]:
        """What targets.json has to say of the checkpoints, as far as they are there."""
        (folder,) = self.checkpoints
        if not (weights := recorded_digest(folder)):
            return {}
        config = read_saved_config(find_checkpoint(folder))
        return {"checkpoint": weights, "max_tokens": config.evaluation.max_tokens or config.data.max_tokens}

    def writer(self) -> Callable[[], int]:
        """Load the checkpoints; return what writes the targets."""
        from docre.inference import checkpoint
        from docre.inference.targets import write_targets

        predictor = checkpoint.load(self.checkpoints[0], plugins=self.plugins)
        return partial(write_targets, predictor, self.data, self.folder, self.names, self.reader)

    def run(self, restart: bool = False) -> None:
        if not self.is_ours():
            return
        write = self.writer()
        if restart:
            with locked(self.folder):
                # the manifest says that they are complete, the origin that they are targets at all
                for path in sorted(
                    self.folder.iterdir(), key=lambda path: (path.name != MANIFEST, path.name == ORIGIN)
                ):
                    if path.name != ".lock":
                        remove(path)
        message = f"stopped while writing targets. They are in {self.folder}: the same command resumes from there"
        with Interrupts() as interrupts, interrupts.at_once(message):
            write()

    def plan(self, others: Sequence[Stage]) -> list[str]:
        names = ", ".join(self.names)
        documents = count_documents(self.data, self.reader)
        if documents is None:
            return [f"{names}: documents, time and disk: unknown until {self.data} is there"]
        shards = [] if self.standing().state == "stale" else list(shard_titles(self.folder))
        written = sum(map(len, shards))
        used = sum(shard_path(self.folder, number).stat().st_size for number in range(len(shards)))
        lines = [f"{names} of {documents:,} documents" + (f", of which {written:,} are written" if written else "")]
        if written < documents:
            lines.append(self._time(documents - written, others))
        if written:
            each = used / written
            return [*lines, f"disk: {size(each * documents)}, {size(each)} a document"]
        return [*lines, "disk: unknown until some are written"]

    def _time(self, documents: int, others: Sequence[Stage]) -> str:
        """A bound of the time for so many documents: a training step computes more than the outputs."""
        for other in others:
            if isinstance(other, Train) and any(Path(x).is_relative_to(other.folder) for x in self.checkpoints):
                seconds = other.seconds_per_document()
                if seconds is not None:
                    return f"at most about {duration(seconds * documents)}, that of training on as many in {other.name}"
        return "time: unknown until a stage that trains the checkpoint has saved a state"


@STAGES.register("targets")
def targets_stage(
    place: Place, targets: list[str], checkpoint: str, data: str | None = None, reader: str | None = None
) -> Targets:
    """What the checkpoint leaves for the documents of a file. `data` and `reader`: by default the training data and its
    reader in the common config of the recipe."""
    data, reader, plugins = documents_of(place, data, reader)
    return Targets(place.name, place.folder, place.takes, targets, [checkpoint], data, reader, plugins)


def documents_of(place: Place, data: str | None, reader: str | None) -> tuple[str, str, list[str]]:
    """The file of documents, its reader, and the plugins, which are imported: by default those of the recipe's common
    config."""
    common = place.common
    documents = common.get("data", {})
    data = data or documents.get("train")
    if data is None:
        raise DocreError("data: expected the file of the documents")
    plugins = common.get("plugins", [])
    import_plugins(plugins, "plugins")
    return data, reader or documents.get("reader", "docred"), plugins
