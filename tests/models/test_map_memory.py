"""Peak memory of the models with entity maps, measured in a process of its own."""

import random
from pathlib import Path

import pytest
import torch

from docre.core.memory import peak_memory
from docre.models import MODELS, Encoder
from scripts.benchmark.process import Worker, forget_peak, resident
from tests.models.published.random_documents import RELATIONS, random_document, tiny_encoder
from tests.models.translate import batch_of

SIZES = {"kd_docre": {"head_size": 256, "axial_layers": 2}, "docunet": {"width": 32, "head_size": 128}}


class Training:
    """A model on a tiny encoder."""

    def __init__(self, name: str) -> None:
        torch.set_num_threads(1)
        self.model = MODELS.build(name, SIZES[name], Encoder(tiny_encoder()), RELATIONS + 1).train()

    def peak(self, entities: int) -> float:
        """The MB that forward and backward of one document take beyond what the process had before."""
        batch = batch_of([random_document(random.Random(0), 90, entities, 1.0)], self.model, RELATIONS)
        self.model.zero_grad()
        before = resident()
        forget_peak(torch.device("cpu"))
        self.model(batch).logits.square().sum().backward()
        return peak_memory(torch.device("cpu")) - before


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux to measure a peak")
@pytest.mark.parametrize(("name", "megabytes"), [("kd_docre", 100), ("docunet", 100)])
def test_81_entities(name, megabytes):
    """Linear in the cells of the map: four times as much as for 42 entities, not eight or sixteen times. For KD-DocRE
    the outer products of all cells, which are never laid out, would take 410 MB."""
    worker = Worker(Training, name)
    worker.ask("peak", 5)  # what is made once: gradients, buffers of libraries
    medium, large = worker.ask("peak", 42), worker.ask("peak", 81)
    worker.stop()
    assert large < megabytes and large < 1.2 * (81 / 42) ** 2 * medium, f"{medium:.0f} MB, then {large:.0f} MB"
