"""What a model and an ensemble have in common: both score the candidate pairs of documents, and so predict triples."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from docre.analysis.calibration import Calibration
from docre.config.schema import Config
from docre.data.features import Features, Ints
from docre.data.inputs import DocumentInputs, to_documents
from docre.data.schema import LabelSchema
from docre.documents import Document, Prediction
from docre.extraction import Extraction
from docre.inference.extract import TaggerChoice, Text, extract
from docre.inference.methods import PairScores
from docre.inference.methods.base import Handle
from docre.inference.naming import named
from docre.text import Tagger


class Featurize(Protocol):
    """Makes features of documents, as a Featurizer does."""

    def __call__(self, documents: Sequence[Document], max_tokens: int | None = None) -> list[Features]: ...


class PairScorer(ABC):
    """Scores the candidate pairs of documents: a Predictor, which is one model, or an Ensemble of several.

    config:         its config; for an ensemble that of the first member.
    schema:         the relations, in the order of the scores.
    featurize:      makes the features that `score` takes.
    calibration:    turns margins into probabilities; None if there is none.
    weights_digest: tells which weights these are, in a saved calibration; None if unknown.
    """

    config: Config
    schema: LabelSchema
    featurize: Featurize
    calibration: Calibration | None
    weights_digest: str | None

    @property
    @abstractmethod
    def tagger(self) -> Tagger | None:
        """The tagger that the checkpoint has a copy of; None if it has none."""

    @property
    @abstractmethod
    def predicts_evidence(self) -> bool:
        """Whether predictions have evidence sentences."""

    @abstractmethod
    def with_evidence(self) -> "PairScorer":
        """The same scorer, whose predictions have evidence sentences also where the config sets no
        `evaluation.evidence_threshold`, if the model offers what evidence is computed from: then the threshold is
        EVIDENCE_THRESHOLD. Nothing in this scorer changes, and the models are shared."""

    @property
    def top_k(self) -> int:
        """How many relations of a pair are predicted at most; no limit below 1."""
        return self.config.evaluation.top_k

    @abstractmethod
    def use(self, calibration: Calibration) -> None:
        """Use a calibration for these relations: its shift of the margins, and its probabilities."""

    @abstractmethod
    def forget_calibration(self) -> None:
        """Go back to the margins as they are without a calibration."""

    @abstractmethod
    def to(self, device: str | torch.device) -> "PairScorer":
        """Move all models to a device, and return this scorer."""

    @abstractmethod
    def prepare(self, documents: Sequence[Document]) -> list[Features]:
        """The features of documents to predict. Warns (DocreWarning) if mentions are beyond the length limit."""

    @abstractmethod
    def score(self, features: Sequence[Features], handle: Handle, task: str, progress: bool = False) -> None:
        """Call `handle` with the scores of all candidate pairs, some pairs at a time, each pair once.

        features: of documents, from `prepare` or `featurize`.
        task:     the name of the progress bar.
        """

    @abstractmethod
    def apart(self, features: Features) -> NDArray[np.bool_]:
        """Which pairs of a document have no score, since it is read in parts of which none mentions both entities; bool
        [pairs]. Pairs with an entity that is mentioned nowhere are not among them."""

    def predict(self, documents: DocumentInputs, progress: bool = False) -> list[list[Prediction]]:
        """The predicted triples of each document, in order: one list per document, even for a single document.

        documents: a Document, a dict in the form of a DocRED or jsonl document (labels are ignored), an iterable of
        these, or the path of a file in the format of the training data. Raises DocreError for anything else, and warns
        (DocreWarning) if mentions are beyond the length limit.
        """
        parsed = to_documents(documents, self.config.data.reader)
        return self.name(self.predict_features(self.prepare(parsed), progress), parsed)

    def extract(self, texts: Text | Iterable[Text], tagger: TaggerChoice = None) -> Extraction | list[Extraction]:
        """What is found in plain text: its entities, and the triples between them, with their characters.

        texts:  a text, a (title, text) pair, or a Document made by `Document.from_text`, whose entities are kept; or a
                list of these, which gives a list.
        tagger: what finds the entities: a name ("spacy"), a dict {"name": ..., parameters} or a Tagger; by default that
                of the config.

        Triples have evidence sentences, from a model with context attention: those with more than
        `evaluation.evidence_threshold` of it, by default 0.2; with a threshold of 1 there are none.

        A text is read to its end, however long (up to 500,000 characters). Raises DocreError for an empty or longer
        one, and if there is no tagger.
        """
        one = isinstance(texts, str | Document | tuple)
        found = extract(self, [texts] if one else texts, tagger)  # type: ignore[list-item, arg-type]
        return found[0] if one else found

    def predict_features(self, features: Sequence[Features], progress: bool = False) -> list[list[Prediction]]:
        """The predictions for featurized documents, one list per document, without names and types."""
        rows: list[tuple[int, int, int, float, float, tuple[int, ...]]] = []

        def collect(document: Ints, pair: Ints, found: PairScores) -> None:
            predicted = found.predicted.nonzero(as_tuple=True)
            row, relation = (x.cpu().numpy() for x in predicted)
            scores, margins = found.scores[predicted].tolist(), found.margins[predicted].tolist()
            evidence: list[tuple[int, ...]] = [()] * len(row)
            if found.evidence is not None:
                of_row = found.evidence[predicted[0]].cpu().numpy()
                evidence = [tuple(sentences.nonzero()[0].tolist()) for sentences in of_row]
            columns = document[row].tolist(), pair[row].tolist(), relation.tolist(), scores, margins, evidence
            rows.extend(zip(*columns, strict=True))

        self.score(features, collect, "predict", progress)
        predictions: list[list[Prediction]] = [[] for _ in features]
        for i, p, r, score, margin, sentences in sorted(rows, key=lambda row: row[:2]):
            head, tail = features[i].pairs[p].tolist()
            prediction = Prediction(features[i].title, head, tail, self.schema.relations[r], score, margin, sentences)
            predictions[i].append(prediction)
        return predictions

    def name(
        self, predictions: Sequence[Sequence[Prediction]], documents: Sequence[Document]
    ) -> list[list[Prediction]]:
        """The predictions of each document with names, types and, with a calibration, probabilities."""
        both = zip(documents, predictions, strict=True)
        platt = None if self.calibration is None else self.calibration.platt
        return [[named(p, document, self.schema, platt) for p in found] for document, found in both]
