"""A folder of ../shared/golden, read and compared with.

A test computes everything that `expected.safetensors` holds under the same names, and `compare` fails for a name that
is on one side only: so the list of what is compared is complete.
"""

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

from tests.models.published.documents import Document

TOLERANCE = 1e-6  # in float64: relative, and absolute below 1

# The encoders of the golden `parameters_at_published_size`.
ENCODERS = {
    "bert-base-cased": (BertModel, BertConfig(vocab_size=28996)),
    "roberta-large": (
        RobertaModel,
        RobertaConfig(
            vocab_size=50265,
            hidden_size=1024,
            num_hidden_layers=24,
            num_attention_heads=16,
            intermediate_size=4096,
            max_position_embeddings=514,
            type_vocab_size=1,
        ),
    ),
}


class Golden:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.values: dict[str, Any] = json.loads((folder / f"{folder.name}.json").read_text())

    @cached_property
    def expected(self) -> dict[str, Tensor]:
        return load_file(self.folder / "expected.safetensors")

    def weights(self, *files: str) -> dict[str, Tensor]:
        """The weights of one or more files together."""
        return {name: value for file in files for name, value in load_file(self.folder / file).items()}

    def encoder(self) -> nn.Module:
        """A fresh BERT of the golden configuration, without dropout."""
        config = BertConfig(**self.values["bert_config"], hidden_dropout_prob=0, attention_probs_dropout_prob=0)
        encoder = BertModel(config)
        encoder.set_attn_implementation("eager")
        return encoder

    def documents(self, batch: str) -> list[Document]:
        case = self.values["batches"][batch]
        relations = self.values["num_classes"] - 1
        documents = []
        for ids, entities, pairs, labels in zip(
            case["input_ids"], case["entity_pos"], case["pairs"], case["labels"], strict=True
        ):
            # spans are counted without [CLS], so a marker stands one further on
            markers = [[start + 1 for start, _ in spans if start + 1 < len(ids)] for spans in entities]
            known = torch.zeros(len(pairs), 1 + relations, dtype=torch.bool)
            for pair, classes in enumerate(labels):
                known[pair, classes] = True
            documents.append(Document(ids, markers, [(h, t) for h, t in pairs], known[:, 1:]))
        return documents


def compare(actual: dict[str, Any], expected: dict[str, Any], tolerance: float = TOLERANCE) -> None:
    """Both have the same names, and under each the same numbers."""
    assert actual.keys() == expected.keys()
    wrong = []
    for name, value in expected.items():
        a, e = (torch.as_tensor(v).detach().double() for v in (actual[name], value))
        if a.shape != e.shape:
            wrong.append(f"{name}: {list(a.shape)} instead of {list(e.shape)}")
        elif not torch.allclose(a, e, rtol=tolerance, atol=tolerance):
            wrong.append(f"{name}: off by {(a - e).abs().max()}")
    assert not wrong, "\n".join(wrong)


def labels_of(documents: Iterable[Document]) -> Tensor:
    """bool [pairs, relations] of a batch."""
    return torch.cat([document.labels for document in documents])


def gradient_norms(model: nn.Module, groups: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """The norm of each parameter's gradient (0 where it has none), of all, and of groups, which name what the names of
    their parameters start with; laid out as the golden losses are."""
    norms = {n: 0.0 if p.grad is None else p.grad.norm().item() for n, p in model.named_parameters()}

    def total(names: Iterable[str]) -> float:
        return sum(norms[name] ** 2 for name in names) ** 0.5

    return {
        "grad_norm": norms,
        "grad_norm_total": total(norms),
        "grad_norm_by_group": {group: total(n for n in norms if n.startswith(p)) for group, p in groups.items()},
    }


def flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The numbers of nested dicts under the names of the way to them."""
    found: dict[str, Any] = {}
    for name, value in nested.items():
        found |= flat(value, f"{prefix}{name}/") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found
