"""The documents of a run: reading them, checking them against the schema, and warning about oddities."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from docre.config.schema import Component, Config
from docre.data import oddities
from docre.data.features import Features
from docre.data.readers import read
from docre.data.schema import LabelSchema, label_statistics, load_schema, schema_of
from docre.documents import Document, check_titles
from docre.errors import DocreError
from docre.losses import LOSSES


@dataclass(frozen=True)
class Corpus:
    """The documents of a run by split (empty where the config names no file), and the schema of their relations."""

    schema: LabelSchema
    train: Sequence[Document]
    dev: Sequence[Document]
    test: Sequence[Document]


def read_corpus(config: Config) -> Corpus:
    """Read the documents and the relations that a config names.

    Without `data.relations` the schema has the relations that occur in the documents. Raises DocreError for a file
    without documents, training documents without labels, labels that the schema does not have, and titles that do not
    identify the test documents.
    """
    data = config.data
    paths = {"train": data.train, "dev": data.dev, "test": data.test}
    documents = {split: read(path, data.reader) if path else [] for split, path in paths.items()}
    for split, path in paths.items():
        if path and not documents[split]:
            raise DocreError(f"{path}: no documents in it (data.{split})")
    for document in documents["train"]:
        if document.triples is None:
            raise DocreError(f"{data.train}: {document.fail('no labels, but training needs them')}")
    schema = load_schema(data.relations) if data.relations else schema_of(chain(*documents.values()))
    for split, path in paths.items():
        schema.check(documents[split], str(path))
    check_titles(documents["test"], str(data.test))  # a submission is written for the test set even without labels
    return Corpus(schema, **documents)


def with_counted_loss_parameters(config: Config, corpus: Corpus) -> Config:
    """The config, completed with the loss parameters that are computed from the training data unless they are given, so
    that checkpoints hold them."""
    entry: Any = LOSSES[config.loss.name]
    counted = entry.from_training_data(label_statistics(corpus.train, corpus.schema))
    loss = Component(name=config.loss.name, **(counted | config.loss.parameters))
    return config.model_copy(update={"loss": loss})


def data_warnings(corpus: Corpus, features: Mapping[str, Sequence[Features]], config: Config) -> Iterator[str]:
    """One line for each oddity in the data. `features`: of each split, for lengths and cut-off mentions."""
    limits = dict.fromkeys(features, f"data.max_tokens={config.data.max_tokens}")
    if config.evaluation.max_tokens:
        limits |= dict.fromkeys(("dev", "test"), f"evaluation.max_tokens={config.evaluation.max_tokens}")
    yield from oddities.no_positives(corpus.train)
    for split, documents in (("dev", corpus.dev), ("test", corpus.test)):
        yield from oddities.unlabeled(split, documents)
        yield from oddities.unseen_relations(split, documents, corpus.train)
        yield from oddities.leaked(split, documents, corpus.train)
    for split, split_features in features.items():
        yield from oddities.cut_off(split, split_features, limits[split])
