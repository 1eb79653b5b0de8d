"""The training state of a run: all that it needs to go on exactly, in a folder and without pickle.

state-<step>/tensors.safetensors   weights, optimizer, random states, sums of losses
state-<step>/values.json           the position in the run, its results so far, what it was run on
state-<step>/manifest.json         sizes and hashes of both
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from docre.core.files import read_json, write_json
from docre.core.manifests import check_folder, remove, write_folder
from docre.errors import DocreError

FORMAT = 1  # of values.json and the names of the tensors
FOLDER = re.compile(r"state-(\d+)")


@dataclass(frozen=True)
class State:
    """What is saved: tensors by name, and a JSON object."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]


def save_state(run: Path, step: int, state: State) -> None:
    """Write the state after `step` optimizer steps into a run's folder, then remove the older ones. Raises DocreError
    where it cannot be written; the older ones are untouched then."""

    def fill(folder: Path) -> None:
        save_file(state.tensors, folder / "tensors.safetensors")
        write_json(folder / "values.json", {"format": FORMAT} | state.values)

    write_folder(run / f"state-{step}", fill)
    for folder in states(run):
        if folder.name != f"state-{step}":
            remove(folder)


def states(run: Path) -> list[Path]:
    """The saved states of a run, the newest first."""
    found = {path: FOLDER.fullmatch(path.name) for path in run.iterdir()}
    return sorted((p for p, m in found.items() if m), key=lambda p: int(p.name.removeprefix("state-")), reverse=True)


def newest_state(run: Path, warn: Callable[[str], None]) -> Path | None:
    """The newest state that is whole; None where there is none. `warn` is told of every one that is not."""
    for folder in states(run):
        try:
            check_folder(folder)
        except DocreError as error:
            warn(f"passed over a saved state: {error}")
            continue
        return folder
    return None


def load_values(folder: Path) -> dict[str, Any]:
    """The JSON of a saved state. Raises DocreError where it is not of this version."""
    values = read_json(folder / "values.json")
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DocreError(f"{folder}: saved by another version of docre; --restart begins anew")
    return values


def load_state(folder: Path) -> State:
    """Read what `save_state` wrote. Each tensor has memory of its own."""
    values = load_values(folder)
    try:
        tensors = load_file(folder / "tensors.safetensors")
    except (OSError, SafetensorError) as error:
        raise DocreError(f"{folder}: cannot be read: {error}") from None
    return State({name: tensor.clone() for name, tensor in tensors.items()}, values)


def random_state(device: torch.device) -> State:
    """The states of this process's random generators."""
    tensors = {"torch": torch.get_rng_state()}
    if device.type == "cuda":
        tensors["cuda"] = torch.cuda.get_rng_state(device)
    name, keys, *rest = np.random.get_state(legacy=True)
    return State(tensors, {"python": random.getstate(), "numpy": [name, keys.tolist(), *rest]})  # type: ignore[union-attr]


def set_random_state(state: State, device: torch.device) -> None:
    """Put the random generators back to where they were."""
    torch.set_rng_state(state.tensors["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state.tensors["cuda"], device)
    version, internal, gauss = state.values["python"]
    random.setstate((version, tuple(internal), gauss))
    np.random.set_state(tuple(state.values["numpy"]))
