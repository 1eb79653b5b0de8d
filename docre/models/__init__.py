"""Models: the registry, the encoder, and the layers that models are built from."""

from docre.models.base import MODELS, NOTHING, Model, leading_parameters
from docre.models.encoder import Encoder, load_pretrained, load_tokenizer

__all__ = ["MODELS", "NOTHING", "Encoder", "Model", "leading_parameters", "load_pretrained", "load_tokenizer"]
