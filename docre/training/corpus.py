"""The documents of a run: reading them, checking them against the schema, and warning about oddities."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from docre.config.schema import Component, Config
from docre.core.manifests import digest
from docre.data import oddities
from docre.data.features import Features, Featurizer
from docre.data.mixed import MixedFeatures, check_same_documents
from docre.data.readers import iterate, read
from docre.data.schema import LabelCounter, LabelSchema, alphabetical_schema, load_schema, relations_of
from docre.data.stored import LazyFeatures, StoredDocuments
from docre.data.targets import TargetedFeatures, TargetStore
from docre.documents import Document, check_titles
from docre.errors import DocreError
from docre.evaluation import FactCollector
from docre.inference.predictor import Predictor
from docre.inference.targets import outputs_of
from docre.losses import LOSSES
from docre.terms import TERMS


class Survey:
    """What a run needs to know of all training documents together, gathered in one pass over them.

    facts:    the facts that they state.
    labels:   the numbers of their labels.
    repeated: the texts of the documents that are dev or test documents too.
    """

    def __init__(self, held_out: Iterable[Document]) -> None:
        self.facts = FactCollector()
        self.labels = LabelCounter()
        self.repeated: set[oddities.Text] = set()
        self._held_out = {oddities.text(document) for document in held_out}

    def add(self, document: Document) -> None:
        """Take account of one more training document."""
        self.facts.add(document)
        self.labels.add(document)
        if (text := oddities.text(document)) in self._held_out:
            self.repeated.add(text)


@dataclass(frozen=True)
class Corpus:
    """The documents of a run by split (empty where the config names no file), the schema of their relations, the survey
    of the training documents, and the numbers of labels that parameters of the loss are computed from (`counted`)."""

    schema: LabelSchema
    train: Sequence[Document]
    dev: Sequence[Document]
    test: Sequence[Document]
    survey: Survey
    counted: LabelCounter


def read_corpus(config: Config) -> Corpus:
    """Read the documents and the relations that a config names. With `data.stream`, training documents stay on disk.

    Without `data.relations` the schema has the relations that occur in the documents. Raises DocreError for a file
    without documents, training documents without labels, labels that the schema does not have, and titles that do not
    identify the test documents.
    """
    data = config.data
    schema = load_schema(data.relations) if data.relations else None
    held_out = {
        split: read(path, data.reader) if path else () for split, path in (("dev", data.dev), ("test", data.test))
    }
    survey = Survey(chain(*held_out.values()))

    def visit(document: Document) -> None:
        check_labels(document, data.train, schema)
        survey.add(document)

    train: Sequence[Document]
    if data.stream:
        train = StoredDocuments(data.train, data.reader, visit)
    else:
        train = read(data.train, data.reader)
        for document in train:
            visit(document)
    counted = survey.labels
    if data.counts_from:
        counted = LabelCounter()
        for document in iterate(data.counts_from, data.reader):
            check_labels(document, data.counts_from, schema)
            counted.add(document)
        if not counted.pairs:
            raise DocreError(f"{data.counts_from}: no entity pairs in it (data.counts_from)")
    for split, path, documents in (
        ("train", data.train, train),
        ("dev", data.dev, held_out["dev"]),
        ("test", data.test, held_out["test"]),
    ):
        if path and not documents:
            raise DocreError(f"{path}: no documents in it (data.{split})")
    if schema is None:
        labeled = survey.labels.relations | counted.relations
        schema = alphabetical_schema(labeled | relations_of(chain(*held_out.values())))
    for split, path in (("dev", data.dev), ("test", data.test)):
        schema.check(held_out[split], str(path))
    check_titles(held_out["test"], str(data.test))  # a submission is written for the test set even without labels
    return Corpus(schema, train, held_out["dev"], held_out["test"], survey, counted)


def check_labels(document: Document, path: str, schema: LabelSchema | None) -> None:
    """Raises DocreError if a training document has no labels, or some that the schema does not have."""
    if document.triples is None:
        raise DocreError(f"{path}: {document.fail('no labels, but training needs them')}")
    if schema:
        schema.check([document], path)


def featurize_train(corpus: Corpus, featurize: Featurizer, config: Config) -> Sequence[Features]:
    """The features of the training documents; with `data.stream` each is computed whenever it is needed.

    With `data.tagged` they are MixedFeatures. Raises DocreError if these are not the same documents."""
    data = config.data

    def features_of(documents: Sequence[Document]) -> Sequence[Features]:
        if data.stream:
            return LazyFeatures(documents, featurize, data.max_tokens)
        return featurize(documents, data.max_tokens)

    gold = features_of(corpus.train)
    if data.tagged is None:
        return gold
    if data.targets is not None:
        raise DocreError("data.tagged: a teacher's targets (data.targets) are for gold entities only")
    tagged: Sequence[Document]
    tagged = StoredDocuments(data.tagged) if data.stream else read(data.tagged, "docred")
    check_same_documents(corpus.train, tagged, data.tagged)
    corpus.schema.check(tagged, data.tagged)
    return MixedFeatures(gold, features_of(tagged), data.tagged_share, config.seed)


def with_targets(features: Sequence[Features], predictor: Predictor) -> Sequence[Features]:
    """The features of the training documents, with those targets of a teacher that the terms of the config need.

    Raises DocreError if a term needs targets and `data.targets` does not name any that fit: the file of the training
    documents, for logits the relations and the number of outputs, for attention the length limit.
    """
    config = predictor.config
    wanted = wanted_targets(config)
    if not wanted:
        return features
    assert config.data.targets is not None
    store = TargetStore(config.data.targets)
    expected: dict[str, Any] = {"data": digest(Path(config.data.train))}
    if "logits" in wanted:
        expected |= outputs_of(predictor.schema.relations, predictor.loss)
    if "attention" in wanted:
        expected["max_tokens"] = config.data.max_tokens
    store.check(wanted, expected)
    return TargetedFeatures(features, store, sorted(wanted))


def wanted_targets(config: Config) -> list[str]:
    """The names of the targets of a teacher that the terms of a config need. Raises DocreError if they need some and
    `data.targets` names none."""
    wanted = {target: term.name for term in config.terms for target in sorted(TERMS[term.name].targets)}  # type: ignore[attr-defined]
    if wanted and config.data.targets is None:
        name, term = next(iter(wanted.items()))
        raise DocreError(f"term {term!r} needs data.targets: the {name} of a teacher (docre targets writes them)")
    return list(wanted)


def with_counted_loss_parameters(config: Config, corpus: Corpus) -> Config:
    """The config, completed with the loss parameters that are computed from the training data (or `data.counts_from`)
    unless they are given, so that checkpoints hold them. Raises DocreError for those that a config cannot hold."""
    entry: Any = LOSSES[config.loss.name]
    counted = entry.from_training_data(corpus.counted.statistics(corpus.schema))
    try:
        counted = json.loads(json.dumps(counted, allow_nan=False))  # as a checkpoint gives them back
    except (TypeError, ValueError) as error:
        name = f"{entry.__name__}.from_training_data"
        raise DocreError(f"{name}: expected numbers, texts and lists of them: {error}") from None
    loss = Component(name=config.loss.name, **(counted | config.loss.parameters))
    return config.model_copy(update={"loss": loss})


def data_warnings(corpus: Corpus, features: Mapping[str, Sequence[Features]], config: Config) -> Iterator[str]:
    """One line for each oddity in the data. `features`: of each split, for lengths and cut-off mentions."""
    limits = dict.fromkeys(features, f"data.max_tokens={config.data.max_tokens}")
    if config.evaluation.max_tokens:
        limits |= dict.fromkeys(("dev", "test"), f"evaluation.max_tokens={config.evaluation.max_tokens}")
    survey = corpus.survey
    yield from oddities.no_positives(survey.labels.statistics(corpus.schema))
    for split, documents in (("dev", corpus.dev), ("test", corpus.test)):
        yield from oddities.unlabeled(split, documents)
        yield from oddities.unseen_relations(split, documents, survey.labels.relations)
        yield from oddities.leaked(split, documents, survey.repeated)
    for split, split_features in features.items():
        yield from oddities.cut_off(split, split_features, limits[split])
