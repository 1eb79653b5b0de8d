"""Experiment trackers (Weights & Biases, TensorBoard, ...), which accelerate knows how to talk to."""

from pathlib import Path

from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

from docre.config.schema import Config, Logging
from docre.errors import DocreError
from docre.training.folder import flatten

PROJECT = "docre"  # where logging.wandb names none


def tracker_names(logging: Logging) -> list[str]:
    """The trackers that a config asks for, each once. Raises DocreError for one that accelerate does not know or whose
    package is not installed."""
    names = list(dict.fromkeys([*logging.trackers, *(["wandb"] if logging.wandb is not None else [])]))
    available = {str(name) for name in get_available_trackers()}
    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            known = ", ".join(sorted(LOGGER_TYPE_TO_CLASS))
            raise DocreError(f"logging.trackers: unknown tracker {name!r}: expected some of {known}")
        if name not in available:
            raise DocreError(f"logging.trackers: {name} is not installed: pip install {name.replace('_', '-')}")
    return names


def start_trackers(accelerator: Accelerator, config: Config) -> None:
    """Have the trackers of an accelerator begin a run, and tell them its config. They write into the run's folder."""
    output = Path(config.output)
    values = {
        key: value if isinstance(value, bool | int | float | str) else str(value)
        for key, value in flatten(config.model_dump()).items()
    }
    options = {"wandb": {"name": output.name, "dir": config.output}}
    accelerator.init_trackers(config.logging.wandb or PROJECT, config=values, init_kwargs=options)
