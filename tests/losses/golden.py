"""Read the golden values of the losses, converted to docre's names and column order."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

RENAMED = {
    "lambda_1": "positive_entropy",
    "lambda_2": "negative_entropy",
    "e": "prior_ratio",
    "mt_lambda": "threshold_divisor",
}
OTHER_NAMES = {"hingeabl_sat": "sat", "hingeabl_mean_sat": "mean_sat"}


@dataclass(frozen=True)
class Golden:
    """The golden value and gradient of a loss on a batch. `columns`: the golden column of each output of the loss."""

    where: str
    loss: str
    parameters: dict[str, Any]
    logits: Tensor
    labels: Tensor
    columns: list[int]
    value: float
    grad: Tensor


@dataclass(frozen=True)
class Decision:
    """The golden predictions of one loss on one batch: `predicted` bool [pairs, R]."""

    loss: str
    parameters: dict[str, Any]
    logits: Tensor
    top_k: int
    predicted: Tensor


def values(path: Path) -> Iterator[Golden]:
    golden = json.loads(path.read_text())
    for case in golden["cases"]:
        logits, labels = tensor(case["logits"]), tensor(case["labels"])[:, 1:].bool()
        for key, entry in case["losses"].items():
            name = OTHER_NAMES.get(key) or next(n for n in NAMES if key.startswith(n))
            parameters = {RENAMED.get(k, k): v for k, v in entry["params"].items() if k != "note"}
            if name == "pemscl":
                parameters["contrastive"] = 0.0
            columns = list(range(1 if name == "bce" else 0, logits.shape[1]))
            where = f"{case['name']} {key}"
            yield Golden(where, name, parameters, logits, labels, columns, entry["value"], tensor(entry["grad"]))
    entry = golden["amtl"]
    groups, columns = amtl_layout(entry["groups"])
    logits, labels = tensor(entry["logits"]), tensor(entry["labels"])[:, columns[len(groups) :]].bool()
    for key, given in entry["losses"].items():
        parameters = {"groups": groups} | {RENAMED[k]: v for k, v in given["params"].items()}
        yield Golden(f"amtl {key}", "amtl", parameters, logits, labels, columns, given["value"], tensor(given["grad"]))


def decisions(path: Path) -> Iterator[Decision]:
    golden = json.loads(path.read_text())
    for case in golden["cases"]:
        logits = tensor(case["logits"])
        for kind, losses in (("threshold_class", ["atl", "sat"]), ("zero", ["balanced_softmax", "bce"])):
            for top_k, predicted in case["decisions"].get(kind, {}).items():
                for name in losses:
                    own = logits[:, 1:] if name == "bce" else logits
                    yield Decision(name, {}, own, int(top_k), tensor(predicted)[:, 1:].bool())
    entry = golden["amtl"]
    groups, columns = amtl_layout(entry["groups"])
    for top_k, predicted in entry["decisions"].items():
        relations = columns[len(groups) :]
        logits, predicted = tensor(entry["logits"])[:, columns], tensor(predicted)[:, relations].bool()
        yield Decision("amtl", {"groups": groups}, logits, int(top_k), predicted)


def amtl_layout(blocks: list[list[int]]) -> tuple[list[list[int]], list[int]]:
    """The groups of AMTL, and the golden column of each of docre's columns.

    The golden columns are blocks [start, end), one per group: its threshold, then its relations. docre's columns are
    all thresholds, then all relations, numbered here in the golden order."""
    relations = [column for start, end in blocks for column in range(start + 1, end)]
    groups = [[relations.index(column) for column in range(start + 1, end)] for start, end in blocks]
    return groups, [start for start, _ in blocks] + relations


def tensor(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


NAMES = ["atl", "atgl", "afl", "aml", "balanced_softmax", "bce", "hingeabl", "ncrl", "pemscl", "ssr_pu"]
