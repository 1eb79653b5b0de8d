"""A stage that labels documents with what a model predicts, as `docre label` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docre.config.loading import import_plugins
from docre.core.files import read_json, write_json
from docre.core.location import find_checkpoint, recorded_digest
from docre.core.manifests import MANIFEST, digest_of_version, locked, remove
from docre.data.partial import partial_folder, read_progress
from docre.data.readers import READERS
from docre.errors import DocreError
from docre.training.interrupts import Interrupts
from docre.training.stages.base import STAGES, Place, Stage, Standing
from docre.training.stages.costs import count_documents

DOCUMENTS, ORIGIN = "documents.json", "origin.json"


@dataclass(frozen=True)
class Label(Stage):
    """The documents of a file with the labels that a checkpoint predicts: documents.json. What is labeled is kept,
    and an interrupted stage goes on there.

    plugins: modules to import before the checkpoint is loaded.
    """

    checkpoint: str
    data: str
    reader: str
    plugins: Sequence[str]

    def check(self) -> None:
        READERS[self.reader]  # raises DocreError for an unknown reader
        if not self.will_exist(self.data):
            raise DocreError(f"{self.name}: data: {self.data}: no such file")
        self.check_checkpoint(self.checkpoint)

    def origin(self) -> dict[str, Any]:
        """What the labels depend on, as far as it is there."""
        data = digest_of_version(Path(self.data)) if Path(self.data).is_file() else None
        checkpoint = None
        if recorded_digest(self.checkpoint):  # all files of it: a calibration changes what is predicted
            checkpoint = digest_of_version(find_checkpoint(self.checkpoint) / MANIFEST)
        return {"checkpoint": checkpoint, "data": data, "reader": self.reader}

    def standing(self) -> Standing:
        if not (self.folder / ORIGIN).is_file():
            return Standing("interrupted" if self._progress() else "new")
        changed = self._changed(read_json(self.folder / ORIGIN))
        return Standing("stale", f"another {changed[0]}") if changed else Standing("finished")

    def _changed(self, recorded: dict[str, Any]) -> list[str]:
        """What was different when these labels were made."""
        return [key for key, value in self.origin().items() if value is not None and recorded.get(key) != value]

    def _progress(self) -> dict[str, Any]:
        """How far it was when it was interrupted; empty if it has to start at the beginning."""
        progress = read_progress(self.folder / DOCUMENTS)
        return {} if progress and self._changed(progress["origin"]) else progress

    def run(self, restart: bool = False) -> None:
        if not self.is_ours():
            return
        from docre.inference import checkpoint
        from docre.inference.labeling import write_labels

        origin = self.origin()
        predictor = checkpoint.load(self.checkpoint, plugins=self.plugins)
        documents = self.folder / DOCUMENTS
        message = f"stopped while labeling. What is done is in {self.folder}: the same command resumes from there"
        with locked(self.folder), Interrupts() as interrupts, interrupts.at_once(message):
            for path in (self.folder / ORIGIN, documents, *([partial_folder(documents)] if restart else [])):
                remove(path)
            write_labels(predictor, self.data, documents, self.reader, origin)
            write_json(self.folder / ORIGIN, origin)

    def plan(self, others: Sequence[Stage]) -> list[str]:
        documents = count_documents(self.data, self.reader)
        if documents is None:
            return [f"labels of documents: how many is unknown until {self.data} is there"]
        done = self._progress().get("documents", 0)
        return [f"labels of {documents:,} documents" + (f", of which {done:,} are written" if done else "")]


@STAGES.register("labels")
def labels_stage(place: Place, labels: str, checkpoint: str, reader: str | None = None) -> Label:
    """`labels`: the file of documents to label. `reader`: by default that of the common config of the recipe."""
    common = place.common
    reader = reader or common.get("data", {}).get("reader", "docred")
    plugins = common.get("plugins", [])
    import_plugins(plugins, "plugins")
    return Label(place.name, place.folder, place.takes, checkpoint, labels, reader, plugins)
