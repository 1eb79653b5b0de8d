"""Training on gold and found entities: which documents are taken how, docre tag, and exact resuming."""

import json

import numpy as np
import pytest

from docre.commands import tag, train
from docre.data.mixed import MixedFeatures
from docre.data.readers import read
from docre.documents import Document, Entity, Mention, Triple
from docre.errors import DocreError
from docre.evaluation.end_to_end.mapping import with_gold_labels
from docre.text import TAGGERS
from docre.training.run import TrainingRun
from tests import noisy
from tests.analysis.conftest import config, corpus, runs  # noqa: F401
from tests.noisy import NoisyTagger


@pytest.fixture(scope="module", autouse=True)
def _tagger(corpus):  # noqa: F811
    TAGGERS.register("noisy")(NoisyTagger)
    noisy.know(read(corpus / "train.json"))
    yield
    TAGGERS.unregister("noisy")
    noisy.GOLD.clear()


@pytest.fixture(scope="module")
def tagged(runs, corpus, tmp_path_factory):  # noqa: F811
    file = tmp_path_factory.mktemp("tagged") / "tagged.json"
    data, output = ["--data", str(corpus / "train.json")], ["--output", str(file)]
    tag.main(["--checkpoint", str(runs[0]), "--tagger", "noisy", *data, *output])
    return file


SENTENCES = [["a", "b", "."], ["c", "d", "."]]


def document(*entities: list[tuple[int, int, int]], triples=None, sentences=SENTENCES) -> Document:
    made = [Entity(tuple(Mention("x", *mention, "T") for mention in mentions)) for mentions in entities]
    return Document("t", sentences, made, triples)


GOLD = document(
    [(0, 0, 1), (1, 0, 1)], [(0, 1, 2)], [(1, 1, 2)], triples=[Triple(0, 1, "P1", (1,)), Triple(1, 2, "P2", (0,))]
)


def test_labels_by_hand():
    """The first gold entity is found as two, the second exactly, the third not; the text is one sentence now."""
    found = document([(0, 0, 1)], [(0, 1, 2)], [(0, 3, 4)], [(0, 2, 3)], sentences=[["a", "b", ".", "c", "d", "."]])
    labels = with_gold_labels(found, GOLD).triples
    assert labels == [Triple(0, 1, "P1", (0,)), Triple(2, 1, "P1", (0,))]  # Dice 2/3 each
    assert with_gold_labels(found, GOLD, similarity=1.0).triples == []
    assert with_gold_labels(GOLD, GOLD, similarity=1.0).triples == GOLD.triples


def test_the_file(tagged, corpus):  # noqa: F811
    found, gold = read(tagged), read(corpus / "train.json")
    assert [d.title for d in found] == [d.title for d in gold]
    count = sum(len(d.triples) for d in found)
    assert 0 < count and any(a.entities != b.entities for a, b in zip(found, gold, strict=True))


def test_versions():
    mixed = MixedFeatures(list(range(1000)), list(range(1000, 2000)), 0.3, seed=5)  # type: ignore[arg-type]
    first = mixed.versions(0)
    assert (first % 1000 == np.arange(1000)).all() and (first >= 1000).mean() == pytest.approx(0.3, abs=0.05)
    assert (first == mixed.versions(0)).all() and (first != mixed.versions(1)).any()
    assert [mixed[i] for i in first] == first.tolist()
    assert not (MixedFeatures(range(9), range(9), 0.0, 5).versions(0) >= 9).any()  # type: ignore[arg-type]
    assert (MixedFeatures(range(9), range(9), 1.0, 5).versions(0) >= 9).all()  # type: ignore[arg-type]


def options(config, tagged, output, *more):  # noqa: F811
    return ["--config", str(config), f"output={output}", f"data.tagged={tagged}", "training.save_every=1", *more]


def weights(run) -> bytes:
    return (run / "best" / "model.safetensors").read_bytes()


def test_exact_resume_streaming_and_shares(config, tagged, tmp_path, monkeypatch, runs):  # noqa: F811
    train.main(options(config, tagged, tmp_path / "whole"))
    save = TrainingRun.save

    def stop_at_third(self):
        save(self)
        if self.trainer.progress.step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingRun, "save", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        train.main(options(config, tagged, tmp_path / "stopped", "data.stream=true"))
    monkeypatch.setattr(TrainingRun, "save", save)
    train.main(options(config, tagged, tmp_path / "stopped", "data.stream=true"))
    assert weights(tmp_path / "stopped") == weights(tmp_path / "whole")
    train.main(options(config, tagged, tmp_path / "none", "data.tagged_share=0"))
    assert weights(tmp_path / "none") == weights(runs[0]) != weights(tmp_path / "whole")


def test_wrong_files(config, tagged, tmp_path):  # noqa: F811
    documents = json.loads(tagged.read_text())
    for changed, message in (
        (documents[:-1], "7 documents, but data.train has 8"),
        (documents[::-1], "document 0: "),
        ([{k: v for k, v in d.items() if k != "labels"} for d in documents], "no labels"),
    ):
        file = tmp_path / "wrong.json"
        file.write_text(json.dumps(changed))
        with pytest.raises(DocreError, match=message) as error:
            train.main(options(config, file, tmp_path / "run"))
        assert str(file) in str(error.value) and not (tmp_path / "run").exists()
