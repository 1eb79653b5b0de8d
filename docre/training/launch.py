"""A whole run from its config: read the data, start or resume, train, keep the best checkpoint, evaluate it."""

import atexit
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, set_seed

from docre.config.schema import Config
from docre.core.files import parse_json, read_text
from docre.core.manifests import locked
from docre.core.memory import peak_memory, reset_peak_memory
from docre.errors import DocreError
from docre.evaluation import Evaluator
from docre.inference.predictor import Predictor
from docre.models import load_pretrained, load_tokenizer
from docre.models.precision import default_device, resolve_precision
from docre.training.corpus import (
    Corpus,
    data_warnings,
    featurize_train,
    read_corpus,
    with_counted_loss_parameters,
    with_targets,
)
from docre.training.environment import device_name, launch_warnings, versions
from docre.training.folder import (
    RESTART,
    ExistingRun,
    find_existing_run,
    input_digests,
    prepare_folder,
    remove_states,
)
from docre.training.freeze import freeze
from docre.training.initial import load_initial_weights
from docre.training.interrupts import Interrupts
from docre.training.loop import Trainer
from docre.training.run import TrainingRun
from docre.training.trackers import tracker_names

T = TypeVar("T")


def train(config: Config, restart: bool = False) -> dict[str, Any]:
    """Train as the config says, resuming a run that was interrupted; return the content of metrics.json.

    Nothing is written before everything that the config names has been read. Raises DocreError for any mistake in it,
    and Interrupted when stopped by a signal.

    restart: remove what the run's folder holds, and start over.
    """
    if config.training.deterministic:
        make_deterministic()
    precision = resolve_precision(config.training.precision, default_device())
    if config.training.precision == "fp16" and precision != "fp16":
        raise DocreError("training.precision: fp16 needs a GPU; a CPU trains in bf16 or fp32")
    on_cpu = not torch.accelerator.is_available()
    AcceleratorState._reset_state()  # an earlier run in this process may have used another precision
    accelerator = Accelerator(
        cpu=on_cpu,
        mixed_precision="no" if precision == "fp32" else precision,
        log_with=tracker_names(config.logging) or None,
        project_dir=config.output,
    )
    reset_peak_memory(accelerator.device)
    corpus = read_corpus(config)
    facts = corpus.survey.facts.result()
    evaluators = {}
    if corpus.dev:
        evaluators["dev"] = Evaluator(corpus.dev, facts, str(config.data.dev))
    if any(document.triples is not None for document in corpus.test):
        evaluators["test"] = Evaluator(corpus.test, facts, str(config.data.test))
    given = config.loss.parameters
    config = with_counted_loss_parameters(config, corpus)
    counted = sorted(config.loss.parameters.keys() - given.keys())
    set_seed(config.seed)
    name = config.encoder.name
    predictor = Predictor(config, corpus.schema, load_tokenizer(name), load_pretrained(name))
    if config.training.initial_weights:
        load_initial_weights(predictor, config.training.initial_weights)
    freeze(predictor.model, config.training.freeze)
    predictor.inference.check(predictor, fitted=False)
    if predictor.inference.needs_fit and "dev" not in evaluators:
        raise DocreError(f"inference {config.inference.name!r} is fitted on labeled documents: data.dev has none")
    splits = {"train": featurize_train(corpus, predictor.featurize, config)}
    splits |= {split: predictor.featurize(getattr(corpus, split)) for split in ("dev", "test")}
    set_seed(config.seed, device_specific=True)
    trainer = Trainer(predictor, with_targets(splits["train"], config), accelerator)

    device, processes = accelerator.device, accelerator.num_processes
    environment = {"seed": config.seed, "device": device_name(device), "precision": precision, **versions()}
    machine = {"device": device.type, "precision": precision, "number of processes": processes}
    setting = {
        "data": input_digests(config),
        "machine": machine,
        "versions": versions(),
        "counted_loss_parameters": counted,
    }
    output = Path(config.output)
    messages: list[str] = []

    def warn(message: str) -> None:
        messages.append(message)
        if accelerator.is_main_process:
            print(f"docre: warning: {message}", file=sys.stderr)

    for message in (*launch_warnings(processes), *data_warnings(corpus, splits, config)):
        warn(message)

    def open_folder() -> ExistingRun:
        existing = ExistingRun() if restart else find_existing_run(output, config, setting, warn)
        if existing.difference:
            raise DocreError(f"{output} holds a run with {existing.difference}. {RESTART}")
        if existing.metrics is None:
            prepare_folder(output, config, existing)
        return existing

    with locked(output) if accelerator.is_main_process else nullcontext(), Interrupts() as interrupts:
        existing = on_main_process(accelerator, open_folder)
        if existing.metrics is not None:
            if accelerator.is_main_process:
                remove_states(output)
                print(finished_message(output))
            return existing.metrics
        run = TrainingRun(output, predictor, trainer, splits, evaluators, setting, interrupts, existing.state)
        if existing.state:
            event, text = "resume", resume_message(trainer, existing.state)
        else:
            event, text = "start", start_message(config, corpus, trainer)
        run.log.write(event, text, step=trainer.progress.step, **environment)
        for message in messages:
            run.log.write("warning", message=message)
        trainer.run(run.log, run)
        inputs = {"data": setting["data"], "counted_loss_parameters": counted}
        metrics = run.finish(**environment, peak_memory_mb=round(peak_memory(device)), **inputs)
    accelerator.wait_for_everyone()  # until the main process has written the metrics
    trainer.close()
    for tracker in accelerator.trackers:
        tracker.finish()
    atexit.register(end_process_group)
    return metrics


def end_process_group() -> None:
    """Leave the group of processes, if there are several. At the very end only, as a group cannot be formed again."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def make_deterministic() -> None:
    """Let torch use only algorithms that give the same result every time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def on_main_process(accelerator: Accelerator, action: Callable[[], T]) -> T:
    """Run `action` in the main process, and return its result, or raise its DocreError, in every process."""
    outcome: list[Any] = [None]
    if accelerator.is_main_process:
        try:
            outcome = [action()]
        except DocreError as error:
            outcome = [error]
    broadcast_object_list(outcome)
    if isinstance(outcome[0], DocreError):
        raise outcome[0]
    result: T = outcome[0]
    return result


def start_message(config: Config, corpus: Corpus, trainer: Trainer) -> str:
    """Model, loss, encoder and sizes of the data, for the console."""
    parameters = sum(p.numel() for p in trainer.objective.parameters()) / 1e6
    documents = f"{len(corpus.train)} train, {len(corpus.dev)} dev, {len(corpus.test)} test documents"
    return (
        f"{config.model.name} + {config.loss.name}, {config.encoder.name}, {parameters:.1f}M parameters, "
        f"{trainer.accelerator.device}\n{documents}, {len(corpus.schema.relations)} relations, "
        f"{trainer.feed.steps_per_epoch} steps an epoch"
    )


def resume_message(trainer: Trainer, state: Path) -> str:
    """Where the run resumes, for the console."""
    progress = trainer.progress
    return f"resuming from {state}: step {progress.step}, epoch {progress.epoch + 1}/{trainer.config.epochs}"


def finished_message(output: Path) -> str:
    """The test scores of a finished run, from its log, and that there is nothing to do; for the console."""
    log = output / "log.jsonl"
    lines = [line for line in read_text(log).splitlines() if '"event": "test"' in line]
    table = parse_json(lines[-1], str(log)).get("table", "") if lines else ""
    return f"{table}\n\n{output} is finished: nothing to do (--restart trains again)".lstrip()
