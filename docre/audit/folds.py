"""The runs of an audit, which judge all documents.

With a single fold they are trained on all of them. With more there is cross-fitting: for every fold of the documents
there are runs that are trained on all others.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from docre.analysis.table import Bools
from docre.audit.damage import Damage, damage, marked
from docre.audit.faults import Faults
from docre.audit.judging import Judge, Judgment, judge, weighed
from docre.audit.suggestions import KINDS, Suggestions
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
LEAST_LABELS = 10
MOST_PROBES = 0.05  # of the labels that are hidden, and of those that are replaced
LEAST = 0.02  # triples without a label that are less probable are not suggested

Watch = Callable[[Sequence[int], Judgment, Bools], None]


@dataclass(frozen=True)
class Audit:
    """An audit of a file of labeled documents.

    config:    what the runs have in common; its `seed` decides which documents are in which fold.
    data:      the file.
    digest:    its SHA-256 when it was read.
    documents: its documents.
    probes:    the same documents with some labels hidden and some replaced: what the runs are trained on.
    folds:     the positions of the documents of each fold.
    seeds:     the number of runs for each fold, with the seeds `config.seed`, `config.seed` + 1, ...
    folder:    where everything is written; the same audit goes on there after an interruption.
    """

    config: Config
    data: str
    digest: str
    documents: Sequence[Document]
    probes: Damage
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
            write_docred(self._train_file(fold), (d for i, d in enumerate(self.probes.documents) if i not in held_out))

    def train(self) -> None:
        """Train the runs that are not finished. Raises DocreError if the folder holds another audit."""
        self.write_files()
        stages = [stage for runs in self.stages() for stage in runs]
        for _ in run_stages(stages, f"remove {self.folder}, or choose another --output"):
            pass

    def judgments(self) -> Iterator[tuple[Sequence[int], list[Document], Judgment, Bools]]:
        """Positions of documents, at most GROUP of one fold, the documents with their probes, what the runs say of
        them, those of this fold, which have not seen them, and all others, which have; and [pairs, R] True for
        probes."""
        known, labeled = self.probes.missing | self.probes.wrong, self.probes.documents
        judges = [
            [Judge(stage.folder, [labeled[i] for i in positions[:GROUP]], self.config.plugins) for stage in runs]
            for positions, runs in zip(self.folds, self.stages(), strict=True)
        ]
        for fold, positions in enumerate(self.folds):
            seen_by = [one for other, found in enumerate(judges) if other != fold for one in found]
            for start in range(0, len(positions), GROUP):
                group = positions[start : start + GROUP]
                documents = [labeled[i] for i in group]
                judgment = judge(judges[fold], seen_by, documents)
                yield group, documents, judgment, marked(judgment.table, known, group)

    def suggest(self, watch: Watch | None = None) -> tuple[Suggestions, dict[str, Faults]]:
        """The suggestions, ranked, when all runs are finished; and what was found of each kind, probes included.

        watch: is given the positions of documents, what the runs say of them, and which triples are probes.
        """
        found, faults = [], {kind: Faults() for kind in KINDS}
        for positions, documents, judgment, probes in self.judgments():
            judgment.count(faults, probes)
            found += judgment.suggestions(documents, positions, probes, LEAST)
            if watch:
                watch(positions, judgment, probes)
        ranked = weighed(found, {kind: of_kind.fit() for kind, of_kind in faults.items()})
        if self.seeds * len(self.folds) == 1:
            ranked = [replace(s, agreement=None) for s in ranked]
        return Suggestions(self.data, self.digest, self.config.data.reader, ranked), faults


def plan_audit(config: Config, data: str, folds: int, seeds: int, folder: Path, probes: int) -> Audit:
    """The audit of a file with `folds` folds of equal size, in which `probes` labels are hidden from all runs, and as
    many replaced, but at most MOST_PROBES of all labels. Raises DocreError if a document has no labels, there are fewer
    documents than folds, fewer than LEAST_LABELS labels, or `folds`, `seeds` or `probes` is below 1."""
    before = digest(Path(data))
    documents = read(data, config.data.reader)
    for document in documents:
        if document.triples is None:
            raise DocreError(f"{data}: {document.fail('no labels, so there is nothing to audit')}")
    for option, value in (("--seeds", seeds), ("--probes", probes)):
        if value < 1:
            raise DocreError(f"{option}: expected at least 1, got {value}")
    if not 1 <= folds <= len(documents):
        raise DocreError(f"--folds: expected 1 to {len(documents)} (the number of documents), got {folds}")
    labels = sum(len(document.triples or ()) for document in documents)
    if labels < LEAST_LABELS:
        raise DocreError(f"{data}: expected at least {LEAST_LABELS} labels to audit, got {labels}")
    order = np.random.default_rng(config.seed).permutation(len(documents))
    parts = [sorted(part.tolist()) for part in np.array_split(order, folds)]
    share = max(min(probes / labels, MOST_PROBES), 1 / (labels - 1))
    planted = damage(documents, share, share, config.seed)
    return Audit(config, data, before, documents, planted, parts, seeds, folder)
