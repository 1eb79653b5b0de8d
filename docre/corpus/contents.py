"""What a corpus consists of: documents whose entities are marked, or plain texts.

Each tells how a document is made of a record, and what is written of it."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any

from docre.config.loading import import_plugins, read_saved_config
from docre.core.location import find_checkpoint
from docre.corpus.columns import ENTITY, FIELDS, TEXT_TRIPLE, TRIPLE
from docre.data.features import UNLIMITED, Features
from docre.data.readers import READERS
from docre.data.readers.base import RecordReader
from docre.data.readers.records import Record
from docre.documents import Document, Prediction
from docre.errors import DocreError, prefixed
from docre.inference.calibration import check_probabilities
from docre.inference.extract import choose_tagger, tagged, tagger_name, to_extraction
from docre.inference.scorer import PairScorer
from docre.inference.texts import text_in


class Content(ABC):
    """predictor: predicts the documents."""

    max_tokens: int | None = None  # of a document; None: as in training
    columns: dict[str, Any]

    def __init__(self, predictor: PairScorer) -> None:
        self.predictor = predictor

    @abstractmethod
    def parse(self, record: Record) -> Document:
        """The document in a record. Raises DocreError if there is none."""

    @abstractmethod
    def row(self, document: Document, features: Features, predictions: Sequence[Prediction]) -> dict[str, Any]:
        """What is written of a document."""


class Documents(Content):
    """Documents in the format of a reader; each triple has the fields that are named."""

    def __init__(self, predictor: PairScorer, reader: str, fields: Collection[str]) -> None:
        super().__init__(predictor)
        self.reader = record_reader(reader)
        self.fields = [name for field in fields for name in FIELDS[field]]
        named = {name: kind for field in fields for name, kind in FIELDS[field].items()}
        self.columns = {"title": str, "triples": [TRIPLE | named]}

    def parse(self, record: Record) -> Document:
        return self.reader.parse(record)

    def row(self, document: Document, features: Features, predictions: Sequence[Prediction]) -> dict[str, Any]:
        names = ("head", "tail", "relation", *self.fields)
        return {
            "title": document.title,
            "triples": [{name: getattr(triple, name) for name in names} for triple in predictions],
        }


class Texts(Content):
    """Plain texts: .txt files, or JSON objects with `text`, and perhaps `title` and `entities`.

    min_confidence: leave out triples that are less certain.
    precision:      of the tagger, if its setting is "auto"; None: what its device is best at.
    """

    max_tokens = UNLIMITED

    def __init__(self, predictor: PairScorer, min_confidence: float | None, precision: str | None = None) -> None:
        super().__init__(predictor.with_evidence())
        self.tagger = choose_tagger(predictor, None)
        if self.tagger is not None and precision is not None:
            self.tagger.use_precision(precision)
        self.tagger_name = tagger_name(predictor)
        self.min_confidence = min_confidence
        self.columns = {"title": str, "text": str, "entities": [ENTITY], "triples": [TEXT_TRIPLE]}
        self.columns |= {"pairs_apart": int}

    def parse(self, record: Record) -> Document:
        text = text_in(record)
        with prefixed(record.path):
            return tagged(text, record.default_title, self.tagger, self.tagger_name)

    def row(self, document: Document, features: Features, predictions: Sequence[Prediction]) -> dict[str, Any]:
        apart = int(self.predictor.apart(features).sum())
        found = to_extraction(document, predictions, self.predictor.calibration, apart)
        return (found if self.min_confidence is None else found.surer(self.min_confidence)).to_json()


def record_reader(name: str) -> RecordReader:
    """The reader called `name`. Raises DocreError if it can read a file only as a whole."""
    reader = READERS[name]
    if not isinstance(reader, RecordReader):
        raise DocreError(f"the reader {name!r} reads only whole files: convert them first, with docre convert")
    return reader


def reader_of(job: Any) -> str | None:
    """The name of the reader of a job's documents, by default that of the training data; None for plain texts. Raises
    DocreError if there is no checkpoint, and for an unknown reader."""
    import_plugins(job.plugins, "plugins")
    folder = find_checkpoint(job.checkpoints[0])
    if job.contents["text"]:
        return None
    name = job.contents["reader"] or read_saved_config(folder).data.reader
    record_reader(name)
    return str(name)


def content_of(predictor: PairScorer, job: Any) -> Content:
    """What the corpus of a job (docre.corpus.worker.Job) consists of. Raises DocreError if texts are wanted with a
    confidence that the checkpoint does not know."""
    options = job.contents
    if options["text"]:
        if options["min_confidence"] is not None:
            check_probabilities(predictor, job.checkpoints[0])
        return Texts(predictor, options["min_confidence"], job.tagger_precision)
    return Documents(predictor, options["reader"] or predictor.config.data.reader, options["fields"])
