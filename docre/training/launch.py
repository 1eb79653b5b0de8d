"""A whole run from its config: read the data, begin or go on, train, keep the best checkpoint, evaluate it."""

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
from docre.core.memory import peak_memory
from docre.errors import DocreError
from docre.evaluation import Evaluator, train_facts
from docre.inference.predictor import Predictor, default_device, resolve_precision
from docre.models import load_pretrained, load_tokenizer
from docre.training.corpus import Corpus, read_corpus, warnings, with_counted_loss_parameters
from docre.training.environment import device_name, launch_warnings, versions
from docre.training.folder import ExistingRun, begin, digests, examine, remove_states
from docre.training.interrupts import Interrupts
from docre.training.loop import Trainer
from docre.training.run import TrainingRun
from docre.training.trackers import tracker_names

T = TypeVar("T")


def train(config: Config, restart: bool = False) -> dict[str, Any]:
    """A whole run, or the rest of one that was interrupted; what metrics.json holds.

    Nothing is written before all that the config names has been read. restart: begin anew whatever is there.
    """
    if config.training.deterministic:
        make_deterministic()
    precision = resolve_precision(config.training.precision, default_device())
    if config.training.precision == "fp16" and precision != "fp16":
        raise DocreError("training.precision: fp16 needs a GPU; a CPU trains in bf16 or fp32")
    on_cpu = not torch.accelerator.is_available()
    AcceleratorState._reset_state()  # an earlier run of this process may have had another precision
    accelerator = Accelerator(
        cpu=on_cpu,
        mixed_precision="no" if precision == "fp32" else precision,
        log_with=tracker_names(config.logging) or None,
        project_dir=config.output,
    )
    corpus = read_corpus(config)
    facts = train_facts(corpus.train)
    evaluators = {}
    if corpus.dev:
        evaluators["dev"] = Evaluator(corpus.dev, facts, str(config.data.dev))
    if any(document.triples is not None for document in corpus.test):
        evaluators["test"] = Evaluator(corpus.test, facts, str(config.data.test))
    config = with_counted_loss_parameters(config, corpus)
    set_seed(config.seed)
    name = config.encoder.name
    predictor = Predictor(config, corpus.schema, load_tokenizer(name), load_pretrained(name))
    splits = {"train": predictor.featurize(corpus.train, config.data.max_tokens)}
    splits |= {split: predictor.featurize(getattr(corpus, split)) for split in ("dev", "test")}
    set_seed(config.seed, device_specific=True)
    trainer = Trainer(predictor, splits["train"], accelerator)

    device, processes = accelerator.device, accelerator.num_processes
    about = {"seed": config.seed, "device": device_name(device), "precision": precision, **versions()}
    machine = {"device": device.type, "precision": precision, "number of processes": processes}
    setting = {"data": digests(config), "machine": machine, "versions": versions()}
    output = Path(config.output)
    warned: list[str] = []

    def warn(message: str) -> None:
        warned.append(message)
        if accelerator.is_main_process:
            print(f"docre: warning: {message}", file=sys.stderr)

    for message in (*launch_warnings(processes), *warnings(corpus, splits, config)):
        warn(message)

    def open_folder() -> ExistingRun:
        found = ExistingRun() if restart else examine(output, config, setting, warn)
        if found.metrics is None:
            begin(output, config, found)
        return found

    with locked(output) if accelerator.is_main_process else nullcontext(), Interrupts() as interrupts:
        found = on_main(accelerator, open_folder)
        if found.metrics is not None:
            if accelerator.is_main_process:
                remove_states(output)
                print(say_finished(output))
            return found.metrics
        run = TrainingRun(output, predictor, trainer, splits, evaluators, setting, interrupts, found.state)
        event, text = (
            ("resume", say_resumed(trainer, found)) if found.state else ("start", summary(config, corpus, trainer))
        )
        run.log.write(event, text, step=trainer.progress.step, **about)
        for message in warned:
            run.log.write("warning", message=message)
        trainer.run(run.log, run)
        metrics = run.finish(**about, peak_memory_mb=round(peak_memory(device)), data=setting["data"])
    trainer.close()
    accelerator.end_training()
    return metrics


def make_deterministic() -> None:
    """Have torch use no algorithm that may give another result the second time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def on_main(accelerator: Accelerator, action: Callable[[], T]) -> T:
    """What `action` gives in the main process, in all of them; its DocreError likewise."""
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


def summary(config: Config, corpus: Corpus, trainer: Trainer) -> str:
    """What is about to happen, for the console."""
    parameters = sum(p.numel() for p in trainer.objective.parameters()) / 1e6
    documents = f"{len(corpus.train)} train, {len(corpus.dev)} dev, {len(corpus.test)} test documents"
    return (
        f"{config.model.name} + {config.loss.name}, {config.encoder.name}, {parameters:.1f}M parameters, "
        f"{trainer.accelerator.device}\n{documents}, {len(corpus.schema.relations)} relations, "
        f"{trainer.feed.steps_per_epoch} steps an epoch"
    )


def say_resumed(trainer: Trainer, found: ExistingRun) -> str:
    """Where the run goes on, for the console."""
    progress = trainer.progress
    return f"going on from {found.state}: step {progress.step}, epoch {progress.epoch + 1}/{trainer.config.epochs}"


def say_finished(output: Path) -> str:
    """What a finished run came to, as its log has it."""
    log = output / "log.jsonl"
    lines = [line for line in read_text(log).splitlines() if '"event": "test"' in line]
    table = parse_json(lines[-1], str(log)).get("table", "") if lines else ""
    return f"{table}\n\n{output} is finished: nothing to do (--restart trains again)".lstrip()
