"""Loads a checkpoint as a Predictor, or several as an Ensemble."""

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import torch

from docre.errors import DocreError
from docre.inference import checkpoint
from docre.inference.ensemble import Ensemble
from docre.inference.predictor import Predictor
from docre.inference.scorer import PairScorer

Checkpoints = list[str] | list[Path] | tuple[str | Path, ...]


@overload
def load(
    folder: str | Path,
    device: str | torch.device | None = None,
    changes: Sequence[str] = (),
    plugins: Sequence[str] = (),
) -> Predictor: ...


@overload
def load(
    folder: Checkpoints,
    device: str | torch.device | None = None,
    changes: Sequence[str] = (),
    plugins: Sequence[str] = (),
) -> PairScorer: ...


def load(
    folder: str | Path | Checkpoints,
    device: str | torch.device | None = None,
    changes: Sequence[str] = (),
    plugins: Sequence[str] = (),
) -> PairScorer:
    """Load a checkpoint folder, or the best checkpoint in a run's folder, as a Predictor; or a list of several as an
    Ensemble, which predicts in the same way. A folder may also be a repository on the Hugging Face hub:
    "hub:owner/name", or "hub:owner/name@revision" for a branch, tag or commit.

    device:  the device of the models; by default the GPU if there is one, else the CPU.
    changes: overrides of config keys that affect prediction only, for example ["evaluation.max_pairs_per_batch=5000"];
             of several checkpoints they hold for each.
    plugins: Python modules to import first, which register the loss or the model that the checkpoint needs. A plugin
             that only the checkpoint's config names is not imported: loading runs no code that comes with a checkpoint.

    Raises DocreError as `docre.inference.checkpoint.load` and `Ensemble` do.
    """
    folders = [folder] if isinstance(folder, str | Path) else list(folder)
    if not folders:
        raise DocreError("expected a checkpoint, or a list of several")
    members = [checkpoint.load(one, device, changes, plugins) for one in folders]
    return members[0] if len(members) == 1 else Ensemble(members, list(map(str, folders)))
