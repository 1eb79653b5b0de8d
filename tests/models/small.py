"""Small sizes of every registered model, so that building one and a training step take milliseconds."""

import inspect
from typing import Any

from docre.models import MODELS

# A new model needs no entry: it is built with the sizes among these that it has.
SIZES = {"head_size": 16, "block_size": 4, "memory_size": 8, "layers": 1, "heads": 4, "axial_layers": 1}
SIZES |= {"axial_heads": 4, "map_size": 8, "width": 8, "map_features": 8}


def small_sizes(name: str) -> dict[str, Any]:
    """The parameters of a model that are sizes, and small."""
    return {key: size for key, size in SIZES.items() if key in inspect.signature(MODELS[name]).parameters}
