"""Holding what a reference computes to the golden values of ../shared."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.models.published.padded import Document

POOLER = ("model.pooler.dense.weight", "model.pooler.dense.bias")  # published encoders have one and never use it
TOLERANCE = 1e-6  # golden tensors are stored in float32, golden numbers with nine digits


class Golden:
    """One golden folder: its JSON, its weights by file name, its expected tensors."""

    def __init__(self, folder: Path) -> None:
        self.json: dict[str, Any] = json.loads((folder / f"{folder.name}.json").read_text())
        self.expected: dict[str, Tensor] = load_file(folder / "expected.safetensors")
        self.folder = folder

    def documents(self, batch: str) -> list[Document]:
        """The documents of a batch, whose fields are lists."""
        fields = {name: value for name, value in self.json["batches"][batch].items() if isinstance(value, list)}
        return Document.batch(fields, self.json["num_classes"])

    def weights(self, *files: str) -> dict[str, Tensor]:
        """The weights of these files together."""
        return {name: value for file in files for name, value in load_file(self.folder / f"{file}.safetensors").items()}


def gradients(
    model: nn.Module, loss: Tensor, group: Callable[[str], str], unused: tuple[str, ...] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The gradient norms of `loss` as the golden files have them (a parameter without a gradient, and those that the
    published model has besides and does not use: None), and the gradients themselves by the parameters' names."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    grads = dict(zip(names, found, strict=True))
    groups: dict[str, list[Tensor]] = {}
    for name, grad in grads.items():
        groups.setdefault(group(name), []).append(torch.zeros(1) if grad is None else grad.flatten())
    norms = {name: None if grad is None else grad.norm().item() for name, grad in grads.items()}
    return {
        "grad_norm": norms | dict.fromkeys(unused),
        "grad_norm_by_group": {name: torch.cat(members).norm().item() for name, members in groups.items()},
        "grad_norm_total": torch.cat([member for members in groups.values() for member in members]).norm().item(),
    }, grads


def hold(found: Any, expected: Any, where: str = "", absolute: float = 1e-9) -> None:
    """Every value of `expected` is in `found`, and no other: dictionaries and lists throughout, tensors within
    TOLERANCE of their largest value, numbers within TOLERANCE of their size or `absolute`. NaN is written as None."""
    if isinstance(expected, dict):
        assert set(found) == set(expected), f"{where}: {set(found) ^ set(expected)}"
        for name, value in expected.items():
            hold(found[name], value, f"{where}/{name}", absolute)
    elif isinstance(expected, Tensor):
        assert found.shape == expected.shape, f"{where}: {list(found.shape)}, expected {list(expected.shape)}"
        error = (found.detach().to(torch.float64) - expected.to(torch.float64)).abs().max().item()
        largest = expected.to(torch.float64).abs().max().item()
        assert error <= TOLERANCE * largest, f"{where}: off by {error}, the largest value is {largest}"
    elif isinstance(expected, list):
        assert len(found) == len(expected), f"{where}: {len(found)} values, expected {len(expected)}"
        for i, pair in enumerate(zip(found, expected, strict=True)):
            hold(*pair, f"{where}/{i}", absolute)
    elif expected is None:
        assert found is None or math.isnan(found), f"{where}: {found}, expected none"
    elif isinstance(expected, float):
        near = math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=absolute)
        assert near, f"{where}: {found}, expected {expected}"
    else:
        assert found == expected, f"{where}: {found}, expected {expected}"
