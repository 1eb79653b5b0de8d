"""The config of a run that trains an entity model."""

from typing import Literal

from pydantic import Field

from docre.config.schema import Data, EncoderConfig, Evaluation, Logging, Section, Training


class EntitySettings(Section):
    """The entity model."""

    size: int = Field(256, ge=1, le=2**14)
    """Size of the vectors of spans and mentions."""
    max_words: int = Field(10, ge=1, le=64)
    """Longest mention, in words."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Share of these vectors that is dropped in training."""
    linkage: Literal["average", "complete"] = "average"
    """Similarity of two clusters: the mean, or the smallest, probability of a mention of one and a mention of the other
    to be one entity."""


class EntityConfig(Section):
    """The config of a run that trains an entity model. Keys that would be ignored, such as `training.freeze`, are
    refused."""

    task: Literal["entities"]
    """What is trained: `entities`, a model that finds the entities of plain text, for the tagger `joint`."""
    output: str = Field(min_length=1)
    """Folder that the run writes to: checkpoint, metrics, log."""
    seed: int = Field(66, ge=0, lt=2**31)
    """Seed of all random numbers."""
    plugins: list[str] = Field(default=[])
    """Python modules to import first: they register readers of your own."""
    data: Data
    encoder: EncoderConfig
    entities: EntitySettings = EntitySettings()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    logging: Logging = Logging()
