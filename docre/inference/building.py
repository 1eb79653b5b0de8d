"""Builds the model that a config describes."""

from typing import Any

from docre.config.schema import Config
from docre.data.schema import LabelSchema
from docre.models import MODELS, Encoder, Model, leading_parameters


def build_model(config: Config, backbone: Any, num_outputs: int, schema: LabelSchema) -> Model:
    """The model that a config describes, on top of a Hugging Face encoder, with `num_outputs` logits per pair."""
    encoder = Encoder(backbone, config.encoder.averaged_layers, config.encoder.implementation)
    name, parameters = config.model.name, config.model.parameters
    context = (encoder, num_outputs, tuple(map(schema.name, schema.relations)))
    return MODELS.build(name, parameters, *context[: leading_parameters(name)])
