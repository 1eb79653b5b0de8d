"""Checkpoints: folders with everything that prediction needs, without pickle.

config.yaml         the run's config, with the loss parameters computed from the training data
model.safetensors   the weights
relations.json      the label schema
inference.json      what the inference has fitted on dev, if anything
encoder/            the encoder's configuration and the tokenizer
calibration.json    the probabilities of its triples, if it was trained with labeled dev documents
tagger/             a copy of the tagger, if it is one that docre trains
manifest.json       sizes and hashes of all of these
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from docre.analysis.calibration import load_calibration
from docre.config.loading import CHANGEABLE, apply_overrides, import_plugins, parse_mapping, to_yaml, validate
from docre.config.schema import Config
from docre.core.files import read_json, read_text, write_json, write_text
from docre.core.location import WEIGHTS, find_checkpoint
from docre.core.manifests import check_folder, write_folder
from docre.data.schema import LabelSchema, load_schema
from docre.errors import DocreError
from docre.inference.building import build_model
from docre.inference.methods import INFERENCES
from docre.inference.predictor import Predictor
from docre.losses import LOSSES
from docre.models import MODELS, load_tokenizer
from docre.models.architecture import build_untrained, check_shapes, limit_modules, read_architecture
from docre.models.precision import default_device
from docre.models.weights import load_into, save_encoder, save_weights, tensor_shapes
from docre.text import TAGGERS

FITTED, TAGGER, CALIBRATION = "inference.json", "tagger", "calibration.json"


def save(predictor: Predictor, folder: str | Path) -> None:
    """Write a checkpoint atomically: `folder` is at any time the complete old one or the complete new one."""

    def fill(temporary: Path) -> None:
        write_text(temporary / "config.yaml", to_yaml(predictor.config))
        predictor.schema.save(temporary / "relations.json")
        if predictor.inference.fitted:
            write_json(temporary / FITTED, {"name": predictor.config.inference.name, **predictor.inference.fitted})
        save_encoder(predictor.model.encoder.backbone, predictor.tokenizer, temporary / "encoder")
        if predictor.calibration is not None:
            predictor.calibration.save(temporary / CALIBRATION)
        if predictor.tagger is not None:
            (temporary / TAGGER).mkdir()
            predictor.tagger.fill(temporary / TAGGER)
        save_weights(modules_with_weights(predictor.model, predictor.loss), temporary / WEIGHTS)

    write_folder(Path(folder), fill)


def load(
    folder: str | Path,
    device: str | torch.device | None = None,
    changes: Sequence[str] = (),
    plugins: Sequence[str] = (),
) -> Predictor:
    """Load a checkpoint folder, or the best checkpoint in a run's folder, as a Predictor. `folder` may also be a
    repository on the Hugging Face hub: "hub:owner/name", or "hub:owner/name@revision" for a branch, tag or commit.

    device:  the device of the model; by default the GPU if there is one, else the CPU.
    changes: overrides of config keys that affect prediction only, for example ["evaluation.max_pairs_per_batch=5000"].
    plugins: Python modules to import first, which register the loss or the model that the checkpoint needs. A plugin
             that only the checkpoint's config names is not imported: loading runs no code that comes with a checkpoint.

    Raises DocreError if the folder is not a checkpoint, is incomplete or changed, does not fit this version of docre,
    needs a plugin that is not given, or has weights that are not finite; and for an override of any other key. Loading
    takes no more memory than the weights, whatever the other files say.
    """
    folder = find_checkpoint(folder)
    digests = check_folder(folder)
    import_plugins(plugins, "plugins")
    config_file = folder / "config.yaml"
    values = parse_mapping(read_text(config_file), str(config_file))
    config = validate(apply_overrides(values, changes, CHANGEABLE), str(config_file))
    schema = load_schema(folder / "relations.json")
    architecture = read_architecture(folder / "encoder" / "config.json")
    tokenizer = load_tokenizer(str(folder / "encoder"), architecture)
    with suggesting_plugins(config, plugins, config_file):
        build = partial(build_untrained, architecture, folder / "encoder" / "config.json")
        check_fit(config, schema, build, folder / WEIGHTS)
        predictor = Predictor(config, schema, tokenizer, build())
    load_weights(predictor, folder / WEIGHTS)
    if (folder / FITTED).is_file():
        load_fitted(predictor, folder / FITTED)
    if (folder / TAGGER).is_dir() and not any(change.startswith("tagger.") for change in changes):
        check_portable(config, folder / TAGGER)
        predictor.tagger_folder = folder / TAGGER
    if (folder / CALIBRATION).is_file() and not any(change.startswith("inference.") for change in changes):
        calibration = load_calibration(folder / CALIBRATION)
        calibration.check_relations(schema.relations, str(folder / CALIBRATION))
        predictor.use(calibration)
    predictor.weights_digest = digests[WEIGHTS]
    return predictor.to(device or default_device())


def check_portable(config: Config, folder: Path) -> None:
    """Raises DocreError if a checkpoint has a tagger in `folder` that its config does not name, or none that could be
    there."""
    if config.tagger is None or not TAGGERS[config.tagger.name].portable:  # type: ignore[attr-defined]
        raise DocreError(f"{folder}: the config names no tagger that a checkpoint can hold")


@contextmanager
def suggesting_plugins(config: Config, imported: Sequence[str], path: Path) -> Iterator[None]:
    """Extends a DocreError in the block with the plugins to import, if a part of the config is unknown and it names
    plugins that were not imported."""
    try:
        yield
    except DocreError as error:
        wanted = [name for name in config.plugins if name not in imported]
        named = (
            (config.loss, LOSSES),
            (config.model, MODELS),
            (config.inference, INFERENCES),
            (config.tagger, TAGGERS),
        )
        missing = any(part is not None and part.name not in registry for part, registry in named)
        if not (wanted and missing):
            raise
        names = ",".join(wanted)
        raise DocreError(
            f"{path}: {error}. The checkpoint needs the plugins {names}, which are Python code: if you trust them, "
            f"import them with --plugins {names}, or docre.load(..., plugins={wanted})"
        ) from None


def check_fit(config: Config, schema: LabelSchema, build: Callable[[], Any], weights: Path) -> None:
    """Raises DocreError if the tensors in a weights file do not fit the model that the config describes.

    The model is built on the meta device, which takes no memory. `build`: builds its encoder.
    """
    saved = tensor_shapes(weights)
    loss = LOSSES.build(config.loss.name, config.loss.parameters, len(schema.relations))
    with torch.device("meta"), limit_modules(100 + 10 * len(saved), weights):
        model = build_model(config, build(), loss.num_outputs, schema)
    check_shapes(modules_with_weights(model, loss), saved, weights)


def load_weights(predictor: Predictor, path: str | Path) -> None:
    """Load a weights file into a predictor. Raises DocreError if it cannot be read, does not fit or is not finite."""
    load_into(modules_with_weights(predictor.model, predictor.loss), path)


def load_fitted(predictor: Predictor, path: Path) -> None:
    """Give the inference of a predictor what it fitted earlier. What another inference fitted is ignored. Raises
    DocreError for anything but numbers by name."""
    values = read_json(path)
    if not isinstance(values, dict) or not isinstance(values.get("name"), str):
        raise DocreError(f"{path}: expected what an inference fitted, with its 'name'")
    name = values.pop("name")
    for key, value in values.items():
        if type(value) not in (int, float) or not math.isfinite(value):
            raise DocreError(f"{path}: expected a finite number in {key!r}")
    if name == predictor.config.inference.name:
        predictor.inference.fitted = values


def modules_with_weights(model: nn.Module, loss: nn.Module) -> nn.ModuleDict:
    """All modules whose weights a checkpoint holds: the model, and the loss, which may have weights too."""
    return nn.ModuleDict({"model": model, "loss": loss})
