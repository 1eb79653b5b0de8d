"""A stage that labels documents with what a model predicts, as `docre label` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docre.config.loading import import_plugins, merge
from docre.core.files import read_json, write_json
from docre.core.location import find_checkpoint, recorded_digest
from docre.core.manifests import MANIFEST, digest_of_version, locked, remove
from docre.data.readers import READERS, read
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.training.interrupts import Interrupts
from docre.training.stages.base import STAGES, Place, Stage, Standing
from docre.training.stages.costs import count_documents

DOCUMENTS, ORIGIN = "documents.json", "origin.json"


@dataclass(frozen=True)
class Label(Stage):
    """The documents of a file with the labels that a checkpoint predicts: documents.json. An interrupted stage starts
    again from the beginning, as predicting is the quick part of a recipe.

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
            return Standing("new")
        recorded, expected = read_json(self.folder / ORIGIN), self.origin()
        changed = [key for key, value in expected.items() if value is not None and recorded.get(key) != value]
        return Standing("stale", f"another {changed[0]}") if changed else Standing("finished")

    def run(self, restart: bool = False) -> None:
        if not self.is_ours():
            return
        from docre.inference import checkpoint
        from docre.inference.labeling import label

        origin = self.origin()
        predictor = checkpoint.load(self.checkpoint, plugins=self.plugins)
        with locked(self.folder), Interrupts() as interrupts, interrupts.at_once(f"stopped in {self.name}"):
            for name in (ORIGIN, DOCUMENTS):
                remove(self.folder / name)
            documents = label(predictor, read(self.data, self.reader), progress=True)
            write_docred(self.folder / DOCUMENTS, documents)
            write_json(self.folder / ORIGIN, origin)

    def plan(self, others: Sequence[Stage]) -> list[str]:
        documents = count_documents(self.data, self.reader)
        if documents is None:
            return [f"labels of documents: how many is unknown until {self.data} is there"]
        return [f"labels of {documents:,} documents, all of them in memory"]


@STAGES.register("labels")
def labels_stage(place: Place, labels: str, checkpoint: str, reader: str | None = None) -> Label:
    """`labels`: the file of documents to label. `reader`: by default that of the common config of the recipe."""
    common = merge(place.config, place.changes)
    reader = reader or common.get("data", {}).get("reader", "docred")
    plugins = common.get("plugins", [])
    import_plugins(plugins, "plugins")
    return Label(place.name, place.folder, place.takes, checkpoint, labels, reader, plugins)
