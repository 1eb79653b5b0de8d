"""The weights that a run starts from, if it takes them from a checkpoint."""

import json
from pathlib import Path
from typing import Any

from torch import nn

from docre.config.loading import read_saved_config
from docre.core.location import WEIGHTS, find_checkpoint
from docre.core.manifests import check_folder
from docre.data.schema import LabelSchema, load_schema
from docre.errors import DocreError, prefixed
from docre.inference.checkpoint import modules_with_weights
from docre.inference.predictor import Predictor
from docre.models import load_tokenizer
from docre.models.architecture import check_shapes, read_architecture
from docre.models.weights import read_weights


def load_initial_weights(predictor: Predictor, path: str | Path) -> None:
    """Load the weights of another run into a predictor: those of the model and, if it is the same loss, of the loss.

    path: a checkpoint, or the folder of a run, whose best checkpoint is taken.
    Raises DocreError if it is not a whole checkpoint, or its encoder, tokenizer, relations or shapes differ.
    """
    folder = find_checkpoint(path)
    check_folder(folder)
    architecture = read_architecture(folder / "encoder" / "config.json")
    mine = predictor.model.encoder.backbone.config
    for key in ("model_type", "num_attention_heads"):  # the shapes of weights do not show how many heads there are
        theirs, ours = getattr(architecture, key, None), getattr(mine, key, None)
        if theirs != ours:
            raise _differs(folder, f"its encoder's {key} is {theirs!r}, that of encoder.name is {ours!r}")
    if _vocabulary(load_tokenizer(str(folder / "encoder"), architecture)) != _vocabulary(predictor.tokenizer):
        raise _differs(folder, "its tokenizer is not that of encoder.name")
    if difference := _schema_difference(load_schema(folder / "relations.json"), predictor.schema):
        raise _differs(folder, difference)
    weights = read_weights(folder / WEIGHTS)
    modules = modules_with_weights(predictor.model, predictor.loss)
    if read_saved_config(folder).loss.name != predictor.config.loss.name:
        modules = nn.ModuleDict({"model": predictor.model})
        weights = {name: tensor for name, tensor in weights.items() if name.startswith("model.")}
    with prefixed("training.initial_weights"):
        check_shapes(modules, {name: tuple(tensor.shape) for name, tensor in weights.items()}, folder / WEIGHTS)
    modules.load_state_dict(weights)


def _differs(folder: Path, difference: str) -> DocreError:
    return DocreError(f"training.initial_weights: {folder}: {difference}")


def _schema_difference(theirs: LabelSchema, ours: LabelSchema) -> str:
    """The first difference between two schemas in number and order of relations; "" if there is none."""
    if len(theirs.relations) != len(ours.relations):
        return f"it has {len(theirs.relations)} relations, this run {len(ours.relations)} (see data.relations)"
    for i, (relation, other) in enumerate(zip(theirs.relations, ours.relations, strict=True)):
        if relation != other:
            return f"its relation {i} is {relation!r}, that of this run {other!r} (see data.relations)"
    return ""


def _vocabulary(tokenizer: Any) -> tuple[Any, ...]:
    """All that decides which token ids a word gets."""
    rules: dict[str, Any] = {}
    if tokenizer.is_fast:
        whole = json.loads(tokenizer.backend_tokenizer.to_str())
        rules = {key: whole[key] for key in ("normalizer", "pre_tokenizer", "model")}
    return tokenizer.get_vocab(), tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.unk_token_id, rules
