"""A model that wants the names of the relations gets them, when it is built and when its checkpoint is loaded."""

import torch
from torch import nn

import docre
from docre.config.loading import validate
from docre.data.schema import LabelSchema
from docre.inference.checkpoint import save
from docre.inference.predictor import Predictor
from docre.models import MODELS, load_pretrained, load_tokenizer
from docre.models.atlop import ATLOP
from tests.tiny import RELATIONS, random_documents

NAMES = {"P1": "place of birth", "P2": "father"}


class Named(ATLOP):
    """ATLOP with a weight for each letter of the relations' names."""

    reference = "-"
    wants_relation_names = True

    def __init__(self, encoder, num_outputs: int, names: tuple[str, ...], head_size: int = 16) -> None:
        super().__init__(encoder, num_outputs, head_size, 4)
        self.names = names
        self.letters = nn.Parameter(torch.zeros(sum(map(len, names))))


def test_names_in_the_order_of_the_labels(tiny_encoder, tmp_path):
    MODELS.register("named")(Named)
    try:
        values = {
            "output": "x",
            "data": {"train": "x"},
            "encoder": {"name": str(tiny_encoder)},
            "model": {"name": "named", "head_size": 8},
            "loss": {"name": "atl"},
        }
        encoder, schema = str(tiny_encoder), LabelSchema(RELATIONS, NAMES)
        made = Predictor(validate(values, "test"), schema, load_tokenizer(encoder), load_pretrained(encoder))
        assert made.model.names == ("place of birth", "father", "P3", "P4", "P5")
        save(made, tmp_path / "c")
        loaded = docre.load(tmp_path / "c", "cpu")
        assert loaded.model.names == made.model.names
        documents = random_documents(2)
        assert loaded.predict(documents) == made.predict(documents)
    finally:
        MODELS.unregister("named")
