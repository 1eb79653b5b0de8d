"""The saved training state of a run: a folder, without pickle, with everything needed to resume exactly.

state-<step>/tensors.safetensors   weights, optimizer, random states, sums of losses
state-<step>/values.json           position in the run, results so far, data files, machine and versions
state-<step>/manifest.json         sizes and hashes of both
"""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from docre.core.files import write_json
from docre.core.manifests import remove, write_folder
from docre.errors import DocreError
from docre.training.saved import FORMAT, load_values, saved_states


@dataclass(frozen=True)
class State:
    """The content of a saved state: tensors by name, and values for JSON."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]


def save_state(run: Path, step: int, state: State) -> None:
    """Write the state after `step` optimizer steps into a run's folder, then remove all other states. Raises DocreError
    if it cannot be written; the others then stay."""

    def write_files(folder: Path) -> None:
        save_file(state.tensors, folder / "tensors.safetensors")
        write_json(folder / "values.json", {"format": FORMAT} | state.values)

    write_folder(run / f"state-{step}", write_files)
    for folder in saved_states(run):
        if folder.name != f"state-{step}":
            remove(folder)


def load_state(folder: Path) -> State:
    """Read what `save_state` wrote. No two tensors share memory. Raises DocreError if it cannot be read."""
    values = load_values(folder)
    try:
        tensors = load_file(folder / "tensors.safetensors")
    except (OSError, SafetensorError) as error:
        raise DocreError(f"{folder}: cannot be read: {error}") from None
    return State({name: tensor.clone() for name, tensor in tensors.items()}, values)


def random_state(device: torch.device) -> State:
    """The states of the random generators of torch (CPU and, for such a device, CUDA), Python and numpy."""
    tensors = {"torch": torch.get_rng_state()}
    if device.type == "cuda":
        tensors["cuda"] = torch.cuda.get_rng_state(device)
    name, keys, *rest = np.random.get_state(legacy=True)
    return State(tensors, {"python": random.getstate(), "numpy": [name, keys.tolist(), *rest]})  # type: ignore[union-attr]


def set_random_state(state: State, device: torch.device) -> None:
    """Restore what `random_state` returned."""
    torch.set_rng_state(state.tensors["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state.tensors["cuda"], device)
    version, internal, gauss = state.values["python"]
    random.setstate((version, tuple(internal), gauss))
    np.random.set_state(tuple(state.values["numpy"]))
