from pathlib import Path

import pytest

from docre.commands import train
from tests.entities.corpus import write_config, write_corpus


@pytest.fixture(scope="session")
def entity_corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("entity corpus")
    write_corpus(folder)
    return folder


@pytest.fixture(scope="session")
def entity_run(entity_corpus, tiny_encoder, tmp_path_factory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("entity run")
    train.main(["--config", str(write_config(folder / "c.yaml", entity_corpus, tiny_encoder))])
    return folder / "entities"
