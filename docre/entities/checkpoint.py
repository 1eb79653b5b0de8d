"""Checkpoints of entity models: folders with everything that finding entities needs, without pickle.

config.yaml         the run's config
model.safetensors   the weights
entities.json       the types of entities, and the thresholds that were fitted on dev
encoder/            the encoder's configuration and the tokenizer
manifest.json       sizes and hashes of all of these
"""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from docre.config.entities import EntityConfig
from docre.config.loading import first_problem, parse_mapping, to_yaml, validate_as
from docre.core.files import read_json, read_text, write_json, write_text
from docre.core.location import WEIGHTS, find_checkpoint
from docre.core.manifests import check_folder, write_folder
from docre.entities.finder import EntityFinder, Thresholds
from docre.errors import DocreError
from docre.models import load_tokenizer, weights
from docre.models.architecture import build_untrained, check_shapes, limit_modules, read_architecture
from docre.models.precision import default_device
from docre.models.weights import save_encoder, tensor_shapes

FACTS = "entities.json"


class Facts(BaseModel):
    """The content of entities.json."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    types: list[str] = Field(min_length=1, max_length=10_000)
    mention_threshold: float = Field(ge=0, le=1)
    same_threshold: float = Field(ge=0, le=1)


def save(finder: EntityFinder, folder: str | Path) -> None:
    """Write a checkpoint atomically."""
    write_folder(Path(folder), partial(fill, finder))


def fill(finder: EntityFinder, folder: Path) -> None:
    """Write all files of a checkpoint but the manifest into a folder that exists."""
    write_text(folder / "config.yaml", to_yaml(finder.config))
    thresholds = finder.thresholds
    facts = {"types": list(finder.types), "mention_threshold": thresholds.mention, "same_threshold": thresholds.same}
    write_json(folder / FACTS, facts)
    save_encoder(finder.model.encoder.backbone, finder.tokenizer, folder / "encoder")
    weights.save_weights(finder.model, folder / WEIGHTS)


def load(folder: str | Path, device: str | torch.device | None = None) -> EntityFinder:
    """Load a checkpoint folder, or the best checkpoint in a run's folder.

    device: by default the GPU if there is one, else the CPU. Raises DocreError if the folder is no checkpoint of an
    entity model, is incomplete or changed. Loading runs no code of the checkpoint, and takes no more memory than its
    weights.
    """
    folder = find_checkpoint(folder)
    check_folder(folder)
    return read(folder, device)


def read(folder: Path, device: str | torch.device | None = None) -> EntityFinder:
    """`load` of a folder whose files have been compared with a manifest already."""
    config_file = folder / "config.yaml"
    config = validate_as(EntityConfig, parse_mapping(read_text(config_file), str(config_file)), str(config_file))
    facts = read_facts(folder / FACTS)
    architecture = read_architecture(folder / "encoder" / "config.json")
    tokenizer = load_tokenizer(str(folder / "encoder"), architecture)

    def build() -> EntityFinder:
        return EntityFinder(
            config, facts.types, tokenizer, build_untrained(architecture, folder / "encoder" / "config.json")
        )

    saved = tensor_shapes(folder / WEIGHTS)
    with torch.device("meta"), limit_modules(100 + 10 * len(saved), folder / WEIGHTS):
        check_shapes(build().model, saved, folder / WEIGHTS)
    finder = build()
    weights.load_into(finder.model, folder / WEIGHTS)
    finder.thresholds = Thresholds(facts.mention_threshold, facts.same_threshold)
    return finder.to(device or default_device())


def read_facts(path: Path) -> Facts:
    """The content of entities.json. Raises DocreError that names the field if it is malformed."""
    values: Any = read_json(path)
    try:
        return Facts.model_validate(values)
    except ValidationError as error:
        raise DocreError(f"{path}: {first_problem(error, Facts)}") from None


def load_into(finder: EntityFinder, folder: Path) -> None:
    """Give a finder the weights and thresholds of a checkpoint of the same run."""
    weights.load_into(finder.model, folder / WEIGHTS)
    facts = read_facts(folder / FACTS)
    finder.thresholds = Thresholds(facts.mention_threshold, facts.same_threshold)
