"""Cross-fitting: for every fold of the documents, runs that are trained on all others; then all judge all documents.

With a single fold there is no cross-fitting: it is judged by runs that are trained on all documents.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from docre.audit.judging import Judge, Judgment, judge, weighed
from docre.audit.noise import AnnotationErrors
from docre.audit.suggestions import Suggestions
from docre.config.loading import merge, validate
from docre.config.schema import Config
from docre.core.manifests import digest
from docre.data.readers import read
from docre.data.readers.docred import write_docred
from docre.documents import Document
from docre.errors import DocreError
from docre.training.stages import run_stages
from docre.training.stages.train import Train

GROUP = 200  # documents that are judged at once: a number for each pair and relation is in memory
LEAST = 0.02  # triples without a label that are less probable are not suggested


@dataclass(frozen=True)
class Audit:
    """An audit of a file of labeled documents.

    config:    what the runs have in common; its `seed` decides which documents are in which fold.
    data:      the file.
    digest:    its SHA-256 when it was read.
    documents: its documents.
    folds:     the positions of the documents of each fold.
    seeds:     the number of runs for each fold, with the seeds `config.seed`, `config.seed` + 1, ...
    folder:    where everything is written; the same audit goes on there after an interruption.
    """

    config: Config
    data: str
    digest: str
    documents: Sequence[Document]
    folds: Sequence[Sequence[int]]
    seeds: int
    folder: Path

    def stages(self) -> list[list[Train]]:
        """The runs of each fold."""
        return [[self._stage(fold, seed) for seed in range(self.seeds)] for fold in range(len(self.folds))]

    def _stage(self, fold: int, seed: int) -> Train:
        name = f"fold-{fold + 1}-seed-{self.config.seed + seed}"
        data = {
            "train": str(self._train_file(fold)),
            "dev": str(self._dev_file) if self.config.data.dev else None,
            "test": None,
            "reader": "docred",
        }
        own = {"output": str(self.folder / name), "seed": self.config.seed + seed, "data": data, "tagger": None}
        values = merge(self.config.model_dump(), own)
        return Train(name, self.folder / name, (), validate(values, f"the config of {name}"))

    def _train_file(self, fold: int) -> Path:
        return self.folder / "data" / ("all.json" if len(self.folds) == 1 else f"without-fold-{fold + 1}.json")

    @property
    def _dev_file(self) -> Path:
        return self.folder / "data" / "dev.json"

    def write_files(self) -> None:
        """Write the training documents of each fold, and the dev documents, as DocRED JSON."""
        if self.config.data.dev:
            write_docred(self._dev_file, read(self.config.data.dev, self.config.data.reader))
        for fold, positions in enumerate(self.folds):
            held_out = set(positions) if len(self.folds) > 1 else set()
            write_docred(self._train_file(fold), (d for i, d in enumerate(self.documents) if i not in held_out))

    def train(self) -> None:
        """Train the runs that are not finished. Raises DocreError if the folder holds another audit."""
        self.write_files()
        stages = [stage for runs in self.stages() for stage in runs]
        for _ in run_stages(stages, f"remove {self.folder}, or choose another --output"):
            pass

    def judgments(self) -> Iterator[tuple[Sequence[int], list[Document], Judgment]]:
        """Positions of documents, at most GROUP of one fold, the documents, and what the runs say of them: those of
        this fold, which have not seen them, and all others, which have."""
        judges = [
            [Judge(stage.folder, [self.documents[i] for i in positions[:GROUP]], self.config.plugins) for stage in runs]
            for positions, runs in zip(self.folds, self.stages(), strict=True)
        ]
        for fold, positions in enumerate(self.folds):
            seen_by = [one for other, found in enumerate(judges) if other != fold for one in found]
            for start in range(0, len(positions), GROUP):
                group = positions[start : start + GROUP]
                documents = [self.documents[i] for i in group]
                yield group, documents, judge(judges[fold], seen_by, documents)

    def suggest(self) -> tuple[Suggestions, float]:
        """The suggestions, ranked, when all runs are finished; and how many labels are expected to be missing, also
        where no model finds it probable enough to suggest it."""
        found, errors = [], AnnotationErrors()
        for positions, held_out, judgment in self.judgments():
            errors.add(judgment.held_out, judgment.table.labels)
            found += judgment.suggestions(held_out, positions, LEAST)
        ranked = weighed(found, errors.fit())
        if self.seeds * len(self.folds) == 1:
            ranked = [replace(s, agreement=None) for s in ranked]
        return Suggestions(self.data, self.digest, self.config.data.reader, ranked), errors.missing


def plan_audit(config: Config, data: str, folds: int, seeds: int, folder: Path) -> Audit:
    """The audit of a file with `folds` folds of equal size. Raises DocreError if a document has no labels, there are
    fewer documents than folds, or `folds` or `seeds` is below 1."""
    before = digest(Path(data))
    documents = read(data, config.data.reader)
    for document in documents:
        if document.triples is None:
            raise DocreError(f"{data}: {document.fail('no labels, so there is nothing to audit')}")
    if seeds < 1:
        raise DocreError(f"--seeds: expected at least 1, got {seeds}")
    if not 1 <= folds <= len(documents):
        raise DocreError(f"--folds: expected 1 to {len(documents)} (the number of documents), got {folds}")
    order = np.random.default_rng(config.seed).permutation(len(documents))
    parts = [sorted(part.tolist()) for part in np.array_split(order, folds)]
    return Audit(config, data, before, documents, parts, seeds, folder)
