"""What is done to a unit: its documents are parsed and featurized, predicted, and written. All engines use this."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from docre.corpus.blame import blamed
from docre.corpus.contents import content_of
from docre.corpus.shards import Counts, Output
from docre.corpus.units import Place, Rejected, Unit
from docre.data.features import Features
from docre.data.readers.records import Record
from docre.documents import Document, Prediction
from docre.errors import DocreError
from docre.inference.calibration import load_calibrated
from docre.inference.ensemble import Ensemble

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """What is predicted with what, and to where. Workers of other processes and machines are made from it.

    checkpoints, changes, plugins, calibration, force: of the predictor (see docre.inference.calibration).
    contents: the options of docre.corpus.contents.content_of.
    output:   the folder of the parts.
    strict:   stop at the first document that cannot be predicted, and at a file that cannot be read.
    threads:  of each worker on a CPU; None: as torch chooses.
    precision: that each checkpoint computes in, and tagger_precision: what "auto" is for its tagger, the same for all
              workers (see docre.corpus.precision). Without them, what each worker's device is best at.
    """

    checkpoints: tuple[str, ...]
    output: Output
    contents: dict[str, Any]
    changes: Sequence[str] = ()
    plugins: Sequence[str] = ()
    calibration: str | None = None
    force: bool = False
    strict: bool = False
    threads: int | None = None
    precision: tuple[str, ...] = ()
    tagger_precision: str | None = None


@dataclass
class Prepared:
    """A unit whose documents are featurized."""

    name: str
    digest: str
    size: int
    unread: Sequence[Rejected] = ()
    documents: list[Document] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    features: list[Features] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


class Worker:
    """Predicts units. The result of a unit depends on nothing but the unit, the job and the machine.

    Raises DocreError for a checkpoint that cannot be loaded.
    """

    def __init__(self, job: Job, device: str | None = None) -> None:
        if job.threads is not None:
            torch.set_num_threads(job.threads)
        self.job = job
        predictor = load_calibrated(job.checkpoints, job.changes, job.plugins, job.calibration, job.force)
        if device is not None:
            predictor.to(device)
        members: Any = predictor.members if isinstance(predictor, Ensemble) else [predictor]
        for member, precision in zip(members, job.precision, strict=False):  # none, or all
            member.precision = precision
        self.content = content_of(predictor, job)
        self.predictor = self.content.predictor

    def __call__(self, unit: Unit) -> Counts:
        """All steps."""
        return self.finish(self.prepare(unit))

    def prepare(self, unit: Unit) -> Prepared:
        """Parse and featurize the documents of a unit. Those that are malformed are rejected; with `strict` this raises
        DocreError."""
        made = Prepared(unit.name, unit.digest, unit.size, unit.unread)
        if made.unread and self.job.strict:
            raise DocreError(made.unread[0].reason)
        records = [(Place.of(record), record) for record in unit.records]
        parsed = self._each(records, self._parse, made.rejected)
        documents = [(place, document) for (place, _), document in zip(records, parsed, strict=True) if document]
        features = self._each(documents, self._featurize, made.rejected)
        for (place, document), each in zip(documents, features, strict=True):
            if each is not None:
                made.places.append(place)
                made.documents.append(document)
                made.features.append(each)
        return made

    def _parse(self, record: tuple[Place, Record]) -> Document:
        return self.content.parse(record[1])

    def _featurize(self, document: tuple[Place, Document]) -> Features:
        limit = self.content.max_tokens
        (features,) = self.predictor.featurize([document[1]], *([limit] if limit else []))
        return features

    def _predict(self, features: tuple[Place, Features]) -> list[Prediction]:
        (found,) = self.predictor.predict_features([features[1]])
        return found

    def _row(self, found: tuple[Place, tuple[Document, Features, Sequence[Prediction]]]) -> dict[str, Any]:
        place, parts = found
        return {"file": place.file, "number": place.number} | self.content.row(*parts)

    def finish(self, made: Prepared) -> Counts:
        """Predict the documents of a unit, and write what was found. If they cannot be predicted together, each is
        predicted alone, and those that fail are rejected; with `strict` this raises DocreError."""
        found: list[list[Prediction] | None]
        try:
            found = list(self.predictor.predict_features(made.features))
        except Exception as error:
            blamed(error, made.name)  # raises where it is no document's fault
            found = self._each(list(zip(made.places, made.features, strict=True)), self._predict, made.rejected)
        named = self.predictor.name([triples or [] for triples in found], made.documents)
        kept = [i for i, triples in enumerate(found) if triples is not None]
        items = [(made.places[i], (made.documents[i], made.features[i], named[i])) for i in kept]
        written = self._each(items, self._row, made.rejected)
        rows = [row for row in written if row is not None]
        features = [made.features[i] for i, row in zip(kept, written, strict=True) if row is not None]
        counts = Counts(
            documents=len(rows),
            cut=sum(bool(each.cut_mentions) for each in features),
            pairs=sum(len(each.pairs) for each in features),
            triples=sum(len(row["triples"]) for row in rows),
            rejected=len(made.rejected),
            size=made.size,
            unread=len(made.unread),
            apart=sum(row.get("pairs_apart", 0) for row in rows),
        )
        columns = {"file": str, "number": int} | self.content.columns
        self.job.output.commit(made.name, made.digest, rows, columns, counts, [*made.unread, *made.rejected])
        return counts

    def _each(
        self, items: Sequence[tuple[Place, S]], make: Callable[[tuple[Place, S]], T], rejected: list[Rejected]
    ) -> list[T | None]:
        """What `make` returns for each item. Where it fails, whatever the error (but see `blamed`), the item is
        rejected, and None stands for it; with `strict` a DocreError is raised."""
        made: list[T | None] = []
        for item in items:
            try:
                made.append(make(item))
            except Exception as error:
                place = item[0]
                reason = blamed(error, f"{place.file}: document {place.number}")
                if self.job.strict:
                    raise reason from None
                rejected.append(Rejected(place, str(reason)))
                made.append(None)
        return made


def threads_of(processes: int) -> int:
    """The threads of each of some workers that share the CPUs that torch would take."""
    return max(1, torch.get_num_threads() // processes)
