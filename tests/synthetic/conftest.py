"""The committed corpus data/synthetic."""

import pytest

from docre.data.readers import read
from tests.conftest import ROOT

SPLITS = ("train", "dev", "test")


@pytest.fixture(scope="session")
def corpus():
    """The documents of data/synthetic by split."""
    return {split: read(ROOT / "data" / "synthetic" / f"{split}.json") for split in SPLITS}


@pytest.fixture(scope="session")
def documents(corpus):
    """All documents of data/synthetic."""
    return [document for split in SPLITS for document in corpus[split]]
