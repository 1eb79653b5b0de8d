"""The configs of the benchmarks: published settings, files that docre download fetches, schemas that docre ships."""

import pytest

from docre.config.loading import load_config
from docre.data.schema import load_schema, shipped_schemas
from docre.download.sources import SOURCES
from tests.conftest import ROOT

BENCHMARKS = ("cdr", "docgnre", "dwie", "redocred")
CONFIGS = sorted(path for name in BENCHMARKS for path in (ROOT / "configs").glob(f"{name}_*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_files_readers_and_schemas_exist(path):
    data = load_config(path).data
    for file in (data.train, data.dev, data.test):
        _, benchmark, name = file.split("/")
        assert name in SOURCES[benchmark].documents
        assert SOURCES[benchmark].reader == data.reader
    assert data.relations in shipped_schemas() and load_schema(data.relations)


@pytest.mark.parametrize(("name", "alpha"), [("redocred", 16.5), ("docgnre", 20.0), ("dwie", 6.0), ("cdr", 7.5)])
def test_losses_and_layers(name, alpha):
    atl, atgl = (load_config(ROOT / f"configs/{name}_bert_{loss}.yaml") for loss in ("atl", "atgl"))
    assert (atl.loss.name, atl.loss.parameters, atl.encoder.averaged_layers) == ("atl", {}, 1)
    assert (atgl.loss.name, atgl.loss.parameters, atgl.encoder.averaged_layers) == ("atgl", {"alpha": alpha}, 3)
    assert atl.data == atgl.data


def test_cdr_as_atlop_published_it():
    config = load_config(ROOT / "configs/cdr_bert_atl.yaml")
    training = config.training
    assert config.encoder.name == "allenai/scibert_scivocab_cased" and config.evaluation.top_k == 1
    assert (training.epochs, training.batch_size, training.encoder_lr, training.head_lr) == (30, 4, 2e-5, 1e-4)
    assert (training.warmup, training.clip, training.adam_epsilon, config.seed) == (0.06, 1.0, 1e-6, 66)
    assert (config.data.reader, config.data.max_tokens) == ("cdr", 1024)
