"""A whole run from its config: read the data, start or resume, train, keep the best checkpoint, evaluate it."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from accelerate.utils import set_seed

from docre.config.schema import Config
from docre.errors import DocreError
from docre.evaluation import Evaluator
from docre.inference.predictor import Predictor
from docre.models import load_pretrained, load_tokenizer
from docre.text import TAGGERS
from docre.training.corpus import (
    Corpus,
    data_warnings,
    featurize_train,
    read_corpus,
    with_counted_loss_parameters,
    with_targets,
)
from docre.training.folder import input_digests
from docre.training.freeze import freeze
from docre.training.initial import load_initial_weights
from docre.training.interrupts import Interrupts
from docre.training.loop import Trainer
from docre.training.run import TrainingRun
from docre.training.running import Launch, start_accelerator


def train(config: Config, restart: bool = False) -> dict[str, Any]:
    """Train as the config says, resuming a run that was interrupted; return the content of metrics.json.

    Nothing is written before everything that the config names has been read. Raises DocreError for any mistake in it,
    and Interrupted when stopped by a signal.

    restart: remove the results and states of the run in its folder, and start over.
    """
    accelerator, precision = start_accelerator(config)
    corpus = read_corpus(config)
    known = corpus.survey.facts.result()
    evaluators = {}
    if corpus.dev:
        evaluators["dev"] = Evaluator(corpus.dev, known, str(config.data.dev))
    if any(document.triples is not None for document in corpus.test):
        evaluators["test"] = Evaluator(corpus.test, known, str(config.data.test))
    given = config.loss.parameters
    config = with_counted_loss_parameters(config, corpus)
    counted = sorted(config.loss.parameters.keys() - given.keys())
    set_seed(config.seed)
    name = config.encoder.name
    predictor = Predictor(config, corpus.schema, load_tokenizer(name), load_pretrained(name))
    predictor.precision = precision
    if config.training.initial_weights:
        load_initial_weights(predictor, config.training.initial_weights)
    freeze(predictor.model, config.training.freeze)
    if config.tagger and TAGGERS[config.tagger.name].portable:  # type: ignore[attr-defined]
        predictor.tagger = TAGGERS.build(config.tagger.name, config.tagger.parameters)
    predictor.inference.check(predictor, fitted=False)
    if predictor.inference.needs_fit and "dev" not in evaluators:
        raise DocreError(f"inference {config.inference.name!r} is fitted on labeled documents: data.dev has none")
    splits = {"train": featurize_train(corpus, predictor.featurize, config)}
    splits |= {split: predictor.featurize(getattr(corpus, split)) for split in ("dev", "test")}
    set_seed(config.seed, device_specific=True)
    trainer = Trainer(predictor, with_targets(splits["train"], predictor), accelerator)

    about = start_message(config, corpus, trainer, precision)

    def make_run(setting: dict[str, Any], interrupts: Interrupts, state: Path | None) -> TrainingRun:
        output = Path(config.output)
        return TrainingRun(output, predictor, corpus.dev, trainer, splits, evaluators, setting, interrupts, state)

    facts = {"counted_loss_parameters": counted}
    warnings = chain(data_warnings(corpus, splits, config), idle_terms(config))
    return Launch(config, trainer, precision, input_digests(config), facts, warnings, about, make_run).run(restart)


def idle_terms(config: Config) -> Iterator[str]:
    """A line for each term that would begin after the last epoch."""
    epochs = config.training.epochs
    for term in config.terms:
        if term.from_epoch > epochs:
            yield f"term {term.name!r} begins with epoch {term.from_epoch}, but training.epochs is {epochs}"


def start_message(config: Config, corpus: Corpus, trainer: Trainer, precision: str) -> str:
    """Model, loss, encoder, device, precision and sizes of the data, for the console."""
    parameters = sum(p.numel() for p in trainer.objective.parameters()) / 1e6
    documents = f"{len(corpus.train)} train, {len(corpus.dev)} dev, {len(corpus.test)} test documents"
    return (
        f"{config.model.name} + {config.loss.name}, {config.encoder.name}, {parameters:.1f}M parameters, "
        f"{trainer.accelerator.device}, {precision}\n{documents}, {len(corpus.schema.relations)} relations"
    )
