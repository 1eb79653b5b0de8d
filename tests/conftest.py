"""Fixtures that all tests share."""

import gc
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from tests.tiny import save_tiny_encoder

ROOT = Path(__file__).resolve().parent.parent

# Hypothesis: a test gets the same examples in every run, so that a commit that has passed passes again; other examples
# are sought with `--hypothesis-profile=search`. No time limits: on a busy machine they fail without a reason.
settings.register_profile("docre", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", settings.get_profile("docre"), derandomize=False, max_examples=500)
settings.load_profile("docre")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ../shared with benchmark data and golden values; the test is skipped where it is missing."""
    path = ROOT.parent / "shared"
    if not path.is_dir():
        pytest.skip(f"needs {path} (benchmark data and golden values)")
    return path


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """The folder of the tests' small data files."""
    return ROOT / "tests" / "fixtures"


def pytest_configure(config: pytest.Config) -> None:
    """One thread: the tests' tensors are tiny, and threads that wait for each other on a busy machine cost far more."""
    torch.set_num_threads(1)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Python's collector passes over the modules and the thousands of tests, which takes a seventh of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny BERT encoder with random weights."""
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture(scope="session")
def entity_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a corpus whose entities can be told by their words."""
    from tests.entities.corpus import write_corpus

    folder = tmp_path_factory.mktemp("entity_corpus")
    write_corpus(folder)
    return folder


@pytest.fixture(scope="session")
def entity_run(entity_corpus: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of a tiny entity model on that corpus."""
    from docre.commands import train
    from tests.entities.corpus import write_config

    folder = tmp_path_factory.mktemp("entity_run")
    train.main(["--config", str(write_config(folder / "c.yaml", entity_corpus, tiny_encoder))])
    return folder / "entities"
