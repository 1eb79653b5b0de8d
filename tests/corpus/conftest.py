"""Fixtures of the tests of corpora."""

from pathlib import Path

import pytest

from docre.inference import checkpoint
from tests.inference.test_predictor import make


@pytest.fixture(scope="session")
def saved(tiny_encoder, tmp_path_factory) -> Path:
    """A tiny checkpoint."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    checkpoint.save(make(tiny_encoder, data={"train": "t"}), folder)
    return folder
