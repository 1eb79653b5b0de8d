"""`encoder.implementation: plain` leaves an encoder as transformers has it; both implementations compute the same."""

from pathlib import Path

import pytest
import torch
from torch import nn

import docre
from docre.commands import train
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.models.dropout import Dropout
from docre.training import loop
from tests.tiny import random_documents
from tests.training.test_resume import config, outcome, stopped


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for seed, split in enumerate(("train", "dev", "test")):
        write_docred(folder / f"{split}.json", random_documents(6, seed=seed))
    return folder


def test_plain_has_nothing_of_ours_and_predicts_the_same(corpus, tiny_encoder, tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(loop, "keep_freed_memory", lambda: kept.append("kept"))
    path = config(tmp_path / "a", corpus, tiny_encoder, epochs=1)
    train.main(["--config", str(path), "encoder.implementation=plain"])
    assert not kept
    run = path.parent / "run"
    plain, ours = docre.load(run, "cpu"), docre.load(run, "cpu", ["encoder.implementation=auto"])
    kinds = [{type(part) for part in model.model.eval().encoder.modules()} for model in (plain, ours)]
    assert nn.Dropout in kinds[0] and Dropout not in kinds[0]
    assert nn.Dropout not in kinds[1] and Dropout in kinds[1]
    batch = plain.collate(plain.featurize(docre.read(corpus / "test.json")))
    with torch.inference_mode():
        torch.testing.assert_close(plain.output(batch).logits, ours.output(batch).logits, atol=1e-5, rtol=1e-5)
    train.main(["--config", str(path), "--restart"])
    assert bool(kept) != torch.cuda.is_available()


def test_a_run_from_before_the_key_existed_resumes(corpus, tiny_encoder, tmp_path, monkeypatch):
    """A saved config without the key counts as `auto`, not as `plain`."""
    whole = config(tmp_path / "whole", corpus, tiny_encoder)
    train.main(["--config", str(whole)])
    path = config(tmp_path / "a", corpus, tiny_encoder)
    saved = stopped(path, monkeypatch) / "config.yaml"
    text = saved.read_text()
    assert "  implementation: auto\n" in text
    saved.write_text(text.replace("  implementation: auto\n", ""))
    with pytest.raises(DocreError, match=r"encoder\.implementation was 'auto', now it is 'plain'"):
        train.main(["--config", str(path), "encoder.implementation=plain"])
    train.main(["--config", str(path)])
    assert outcome(path.parent / "run") == outcome(whole.parent / "run")


def test_another_implementation_is_an_error(corpus, tiny_encoder, tmp_path):
    path = config(tmp_path / "a", corpus, tiny_encoder)
    with pytest.raises(DocreError, match=r"encoder\.implementation: input should be 'auto' or 'plain', got 'fast'"):
        train.main(["--config", str(path), "encoder.implementation=fast"])
