"""python -m docre.train --config FILE [key=value ...]: train, keep the best checkpoint, evaluate it."""

import argparse
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object, set_seed

from docre import checkpoint, cli
from docre.config import Component, Config
from docre.data import read
from docre.data.features import Features
from docre.data.schema import LabelSchema, label_statistics, load_schema, schema_of
from docre.documents import Document, Prediction
from docre.errors import DocreError
from docre.evaluation import Evaluator, Scores, scores_table, train_facts, write_submission
from docre.files import write_json, write_text
from docre.losses import LOSSES
from docre.models import load_pretrained, load_tokenizer
from docre.predictor import Predictor, resolve_precision
from docre.settings import describe, load_config, to_yaml
from docre.training.log import RunLog
from docre.training.loop import Trainer


def main(arguments: list[str]) -> None:
    """The command."""
    keys = "\n".join(f"  {key} (default: {default})\n      {text}" for key, default, text in describe())
    parser = argparse.ArgumentParser(
        prog="python -m docre.train",
        description="Train as a YAML file says, keep the best checkpoint by dev F1, run it on the test set.",
        epilog=f"keys of the config, each of which can be given as key=value:\n{keys}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="the YAML file, as in configs/")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change a key, as in loss.alpha=6")
    options = parser.parse_args(arguments)
    train(load_config(options.config, options.overrides))


@dataclass(frozen=True)
class Corpus:
    """The documents of a run, and the relations that they are labelled with."""

    schema: LabelSchema
    train: Sequence[Document]
    dev: Sequence[Document]
    test: Sequence[Document]


def train(config: Config) -> dict[str, Any]:
    """A whole run; what metrics.json holds. Nothing is written before all that the config names has been read."""
    started = time.perf_counter()
    precision = resolve_precision(config.training.precision, "cuda" if torch.cuda.is_available() else "cpu")
    on_cpu = not torch.accelerator.is_available()
    accelerator = Accelerator(cpu=on_cpu, mixed_precision="no" if precision == "fp32" else precision)
    corpus = read_corpus(config)
    facts = train_facts(corpus.train)
    on_dev = Evaluator(corpus.dev, facts, str(config.data.dev)) if corpus.dev else None
    labelled = any(document.triples is not None for document in corpus.test)
    on_test = Evaluator(corpus.test, facts, str(config.data.test)) if labelled else None
    config = resolve(config, corpus)
    set_seed(config.seed)
    name = config.encoder.name
    predictor = Predictor(config, corpus.schema, load_tokenizer(name), load_pretrained(name))
    splits = {split: predictor.featurise(getattr(corpus, split)) for split in ("train", "dev", "test")}
    set_seed(config.seed, device_specific=True)
    trainer = Trainer(predictor, splits["train"], accelerator)

    output = Path(config.output)
    main_process = accelerator.is_main_process
    if main_process:
        start_folder(output, config)
    log = RunLog(output / "log.jsonl" if main_process else None, config.logging.wandb, config.model_dump())
    log.write("start", summary(config, corpus, trainer), **versions(accelerator.device, precision))

    epochs: list[dict[str, Any]] = []
    best: dict[str, Any] = {}

    def after_epoch(epoch: int, loss: float) -> None:
        nonlocal best
        scores = None
        if on_dev is not None:
            scores = on_dev(predict_together(predictor, splits["dev"], accelerator))
        result = {"epoch": epoch, "loss": loss} | (brief(scores) if scores else {})
        epochs.append(result)
        log.write("epoch", epoch_line(result, config.training.epochs), **result)
        sign = 1 if Evaluator.higher_is_better else -1
        if scores is None or not best or sign * (result[Evaluator.metric] - best[Evaluator.metric]) > 0:
            best = result
            if main_process:
                checkpoint.save(predictor, output / "best")

    trainer.run(log, after_epoch)
    training_seconds = time.perf_counter() - started
    accelerator.wait_for_everyone()
    checkpoint.load_weights(predictor, output / "best" / "model.safetensors")
    metrics: dict[str, Any] = {"best": best, "epochs": epochs, "test": None, "training_seconds": training_seconds}
    if splits["test"]:
        predictions = predict_together(predictor, splits["test"], accelerator)
        if main_process:
            write_submission(output / "result.json", predictions)
            write_submission(output / "result.zip", predictions)
        if on_test is not None:
            scores = on_test(predictions)
            metrics["test"] = scores.to_json()
            log.write("test", f"\ntest, epoch {best['epoch']}:\n{scores_table(scores)}", **brief(scores))
    metrics |= {"seed": config.seed, **versions(accelerator.device, precision)}
    if main_process:
        write_json(output / "metrics.json", metrics)
        names = ["best/", "metrics.json", "log.jsonl", "config.yaml"] + ["result.json", "result.zip"] * bool(
            corpus.test
        )
        log.write("end", f"\nwritten to {output}/: {', '.join(names)}")
    log.close()
    accelerator.end_training()
    return metrics


def read_corpus(config: Config) -> Corpus:
    """The documents and the schema that a config names, checked against each other."""
    data = config.data
    documents = {
        split: read(path, data.reader) if path else []
        for split, path in (("train", data.train), ("dev", data.dev), ("test", data.test))
    }
    for document in documents["train"]:
        if document.triples is None:
            raise DocreError(f"{data.train}: {document.fail('no labels, and training needs them')}")
    schema = load_schema(data.relations) if data.relations else schema_of(chain(*documents.values()))
    for split, path in (("train", data.train), ("dev", data.dev), ("test", data.test)):
        schema.check(documents[split], str(path))
    return Corpus(schema, **documents)


def resolve(config: Config, corpus: Corpus) -> Config:
    """The config with the loss parameters that come from the training data, so that a checkpoint holds them."""
    entry: Any = LOSSES[config.loss.name]
    counted = entry.from_training_data(label_statistics(corpus.train, corpus.schema))
    loss = Component(name=config.loss.name, **(counted | config.loss.parameters))
    return config.model_copy(update={"loss": loss})


def start_folder(output: Path, config: Config) -> None:
    """Make the folder of a run, and take away what an earlier run reported there."""
    write_text(output / "config.yaml", to_yaml(config))
    for name in ("metrics.json", "result.json", "result.zip"):
        (output / name).unlink(missing_ok=True)


def predict_together(predictor: Predictor, features: Sequence[Features], accelerator: Accelerator) -> list[Prediction]:
    """The predictions for all documents, each made by one of the processes; every process gets all of them."""
    own = range(accelerator.process_index, len(features), accelerator.num_processes)
    found = predictor.predict_features([features[i] for i in own], progress=accelerator.is_main_process)
    everything = gather_object(list(zip(own, found, strict=True)))
    return [prediction for _, predictions in sorted(everything, key=lambda x: x[0]) for prediction in predictions]


def brief(scores: Scores) -> dict[str, Any]:
    """The four numbers that matter."""
    return {"p": scores.p, "r": scores.r, "f1": scores.f1, "ign_f1": scores.ign_f1}


def epoch_line(result: dict[str, Any], epochs: int) -> str:
    """One epoch for the console."""
    line = f"epoch {result['epoch']}/{epochs}  loss {result['loss']:.4f}"
    if "f1" in result:
        names = {"p": "P", "r": "R", "f1": "F1", "ign_f1": "Ign-F1"}
        line += "  dev" + "".join(f"  {name} {100 * result[key]:.2f}" for key, name in names.items())
    return line


def summary(config: Config, corpus: Corpus, trainer: Trainer) -> str:
    """What is about to happen, for the console."""
    parameters = sum(p.numel() for p in trainer.objective.parameters()) / 1e6
    documents = f"{len(corpus.train)} train, {len(corpus.dev)} dev, {len(corpus.test)} test documents"
    return (
        f"{config.model.name} + {config.loss.name}, {config.encoder.name}, {parameters:.1f}M parameters, "
        f"{trainer.accelerator.device}\n{documents}, {len(corpus.schema.relations)} relations, "
        f"{trainer.sampler.steps_per_epoch} steps an epoch"
    )


def versions(device: torch.device, precision: str) -> dict[str, Any]:
    """What a number depends on beside config and data."""
    names = ("docre", "torch", "transformers", "accelerate")
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {"device": f"{device.type}: {kind}", "precision": precision} | {name: version(name) for name in names}


if __name__ == "__main__":
    cli.run(main)
