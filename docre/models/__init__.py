"""Models: the registry, the encoder, and the layers that models are built from."""

from docre.models.base import MODELS, Model
from docre.models.encoder import Encoder, load_pretrained, load_tokenizer

__all__ = ["MODELS", "Encoder", "Model", "load_pretrained", "load_tokenizer"]
