"""Checkpoints: a folder with all that prediction needs, and no pickle.

config.yaml         the resolved config of the run
model.safetensors   the weights
relations.json      the label schema
encoder/            the encoder's configuration and the tokenizer
manifest.json       sizes and hashes of all of these
"""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from docre.cli import CHANGES
from docre.data.schema import load_schema
from docre.errors import DocreError
from docre.files import read_text, write_text
from docre.folders import check_folder, write_folder
from docre.models import from_config, load_tokenizer
from docre.predictor import Predictor, default_device
from docre.settings import override, parse_yaml, to_yaml, validate


def save(predictor: Predictor, folder: str | Path) -> None:
    """Write a checkpoint. The folder is the old one or the whole new one, never something between."""

    def fill(temporary: Path) -> None:
        write_text(temporary / "config.yaml", to_yaml(predictor.config))
        predictor.schema.save(temporary / "relations.json")
        predictor.model.encoder.backbone.config.save_pretrained(temporary / "encoder")
        try:
            predictor.tokenizer.save_pretrained(temporary / "encoder")
        except Exception as error:  # tokenizers raises nothing more precise when the disk is full
            raise OSError(str(error)) from None
        tensors = {name: value.detach().cpu().contiguous() for name, value in modules(predictor).state_dict().items()}
        save_file(tensors, temporary / "model.safetensors")

    write_folder(Path(folder), fill)


def load(folder: str | Path, device: str | torch.device | None = None, changes: Sequence[str] = ()) -> Predictor:
    """The model in a checkpoint folder (or in a run's folder, its best checkpoint), ready to predict.

    device:  where to put it; by default the GPU where there is one.
    changes: other values of keys that say how it predicts, as ["evaluation.max_pairs_per_batch=5000"].
    Raises DocreError where the folder is not a checkpoint, is torn or changed, or does not fit this version, and for
    a change of what was trained.
    """
    folder = Path(folder)
    if not os.path.isfile(folder / "config.yaml") or not os.path.isfile(folder / "model.safetensors"):  # any name does
        if not os.path.isdir(folder / "best"):
            raise DocreError(f"{folder}: not a checkpoint (no config.yaml and model.safetensors)")
        folder = folder / "best"
    check_folder(folder)
    config_file = folder / "config.yaml"
    values = parse_yaml(read_text(config_file), str(config_file))
    config = validate(override(values, changes, CHANGES), str(config_file))
    tokenizer = load_tokenizer(str(folder / "encoder"))
    predictor = Predictor(config, load_schema(folder / "relations.json"), tokenizer, from_config(folder / "encoder"))
    load_weights(predictor, folder / "model.safetensors")
    return predictor.to(device or default_device())


def load_weights(predictor: Predictor, path: str | Path) -> None:
    """Put the weights of a checkpoint into a predictor. Raises DocreError where they do not fit."""
    try:
        modules(predictor).load_state_dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise DocreError(f"{path}: cannot be read: {error}") from None
    except RuntimeError as error:
        reason = str(error).splitlines()[1 if "\n" in str(error) else 0].strip()
        raise DocreError(f"{path}: the weights do not fit the model: {reason}") from None


def modules(predictor: Predictor) -> nn.ModuleDict:
    """Everything with weights, by name: the model, and the loss, which may have some too."""
    return nn.ModuleDict({"model": predictor.model, "loss": predictor.loss})
