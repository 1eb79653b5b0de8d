"""Two tiny finished runs, on which the commands are tested."""

from pathlib import Path

import pytest
import yaml

from docre.commands import train
from docre.data.readers.docred import write_docred
from tests.tiny import random_documents


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("analysis_corpus")
    for seed, split in enumerate(("train", "dev", "test")):
        write_docred(folder / f"{split}.json", random_documents(8, seed=seed))
    return folder


@pytest.fixture(scope="session")
def config(corpus, tiny_encoder, tmp_path_factory) -> Path:
    """A config file whose `output` is the folder `runs` beside it."""
    folder = tmp_path_factory.mktemp("analysis")
    values = {
        "output": str(folder / "runs"),
        "data": {split: str(corpus / f"{split}.json") for split in ("train", "dev", "test")},
        "encoder": {"name": str(tiny_encoder), "averaged_layers": 2},
        "model": {"name": "atlop", "head_size": 16, "block_size": 4},
        "loss": {"name": "atgl", "alpha": 60.0},
        "training": {"epochs": 2, "encoder_lr": 1e-3, "head_lr": 2e-2, "precision": "fp32"},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(values))
    return folder / "tiny.yaml"


@pytest.fixture(scope="session")
def runs(config) -> tuple[Path, Path]:
    """The folders of a run with ATGL and one with ATL."""
    folder = config.parent / "runs"
    for name, keys in (("atgl", []), ("atl", ["loss.name=atl"])):
        train.main(["--config", str(config), f"output={folder / name}", *keys])
    return folder / "atgl", folder / "atl"
