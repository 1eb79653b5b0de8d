"""The first five minutes: docre quickstart, docre doctor and docre new."""

import json
import re
import shlex
from pathlib import Path

import pytest

from docre.__main__ import main
from docre.commands import doctor, new, quickstart
from docre.config.loading import load_config
from docre.data.readers import read
from docre.data.readers.docred import parse_document
from docre.data.readers.jsonl import to_json
from docre.errors import DocreError
from docre.synthetic.generate import Counts, corpus
from docre.synthetic.knobs import Knobs
from docre.training import selftest
from tests.conftest import ROOT
from tests.tiny import save_tiny_encoder

SMALL = ["model.name=atlop", "model.head_size=16", "model.block_size=8", "training.epochs=1"]


def test_a_new_project_runs(tmp_path, monkeypatch, capsys):
    """Its README names the commands, and they run as they stand."""
    save_tiny_encoder(tmp_path / "tiny", max_position_embeddings=512)
    main(["new", str(tmp_path / "deep/mine"), "--encoder", str(tmp_path / "tiny")])
    assert f"cd {tmp_path}/deep/mine\n{new.COMMANDS}" in capsys.readouterr().out
    folder = tmp_path / "deep/mine"
    assert sorted(p.name for p in folder.iterdir()) == "README.md config.yaml dev.jsonl test.jsonl train.jsonl".split()
    assert new.COMMANDS in (folder / "README.md").read_text()
    monkeypatch.chdir(folder)
    for command in new.COMMANDS.splitlines():
        main([*shlex.split(command)[1:], *(SMALL if " train " in command else [])])
    assert (folder / "found.jsonl").exists() and (folder / "runs/first/metrics.json").exists()
    before = (folder / "config.yaml").read_bytes()
    with pytest.raises(DocreError, match="exists already; nothing written"):
        new.main([str(folder)])
    assert (folder / "config.yaml").read_bytes() == before and len(list(folder.parent.iterdir())) == 1


def test_a_folder_of_an_encoder_is_found_from_the_project(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("my encoder🙂").mkdir()
    new.main(["my project", "--encoder", "my encoder🙂"])
    assert load_config("my project/config.yaml").encoder.name == str(tmp_path / "my encoder🙂")
    assert "\ncd 'my project'\n" in capsys.readouterr().out


def test_names_that_no_project_can_have(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("dangling").symlink_to("nowhere")
    for arguments, message in (
        (["dangling"], "dangling: exists already"),
        (["x/.."], "x/..: cannot write"),
        (["y", "--encoder", " "], "--encoder: expected a name"),
    ):
        with pytest.raises(DocreError, match=message):
            new.main(arguments)
    assert not Path("y").exists()


def test_a_new_project_has_ten_labeled_documents(tmp_path):
    new.write_project(tmp_path / "mine", "bert-base-cased")
    documents = [d for split in ("train", "dev", "test") for d in read(tmp_path / f"mine/{split}.jsonl", "jsonl")]
    assert len(documents) == 10 and all(document.triples and document.source for document in documents)
    relations = [{t.relation for d in part for t in d.triples} for part in (documents[:6], documents[6:])]
    assert relations[0] == relations[1] and len(relations[0]) == 4
    assert all(mention.name[0].isupper() for d in documents for entity in d.entities for mention in entity.mentions)
    assert all(len(triple.evidence) == 1 for document in documents for triple in document.triples)


def test_a_document_as_jsonl_reads_back(tmp_path):
    """Mentions and triples are the same, evidence is the same text."""
    documents = corpus(1, Counts(30, 1, 1), Knobs())["train"]
    documents += [parse_document(d) for d in json.loads((ROOT / "data/synthetic/dev.json").read_text())]
    (tmp_path / "f").write_text("".join(json.dumps(to_json(document)) + "\n" for document in documents))

    def letters(words) -> str:
        return "".join("".join(words).split())

    for before, after in zip(documents, read(tmp_path / "f", "jsonl"), strict=True):
        assert letters(map(letters, before.sentences)) == letters(map(letters, after.sentences))
        for old, same in zip(before.entities, after.entities, strict=True):
            assert [letters(m.name) for m in old.mentions] == [letters(m.name) for m in same.mentions]
            assert old.type == same.type
        assert [(t.head, t.relation, t.tail) for t in before.triples] == [
            (t.head, t.relation, t.tail) for t in after.triples
        ]
        for old, same in zip(before.triples, after.triples, strict=True):
            evidence = letters(letters(after.sentences[s]) for s in same.evidence)
            assert all(letters(before.sentences[s]) in evidence for s in old.evidence)


def test_quickstart_makes_the_corpus_trains_and_says_what_next(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_tiny_encoder(tmp_path / "tiny", max_position_embeddings=512)
    monkeypatch.setattr(quickstart, "write_corpus", lambda folder: write(folder, counts=Counts(4, 2, 2)))
    write = selftest.write_corpus
    quickstart.main(["encoder.name=tiny", *SMALL])
    out = capsys.readouterr().out
    assert (tmp_path / "runs/quickstart/metrics.json").exists()
    assert out.endswith(quickstart.NEXT.format(run="runs/quickstart") + "\n") and "docre new my-project" in out
    for line in quickstart.NEXT.splitlines():
        if line.startswith("  docre predict"):
            main(shlex.split(line.format(run="runs/quickstart"))[1:])
    assert (tmp_path / "found.jsonl").exists()


def test_the_corpus_of_the_quickstart_is_the_shipped_one(tmp_path):
    quickstart.write_corpus(tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (ROOT / "data/synthetic" / path.name).read_bytes()


def test_doctor(tiny_encoder, capsys):
    doctor.main(["--encoder", str(tiny_encoder)])
    out = capsys.readouterr().out
    for part in ("docre          0.", "torch 2.", "precision ", "GiB free", f"{tiny_encoder} (bert) runs packed"):
        assert part in out
    same, of = re.search(r"saved, loaded, and predicts (\d+) of the same (\d+) triples", out).groups()
    assert same == of and int(of) > 20


def test_the_self_test_notices_a_model_that_changes_when_it_is_saved(monkeypatch):
    load = selftest.checkpoint.load

    def damaged(folder):
        predictor = load(folder)
        for parameter in predictor.model.parameters():
            parameter.data.mul_(-1)
        return predictor

    monkeypatch.setattr(selftest.checkpoint, "load", damaged)
    with pytest.raises(DocreError, match="predicts otherwise than the one that was trained"):
        selftest.self_test()


def test_the_self_test_notices_a_loss_that_does_not_fall(monkeypatch):
    monkeypatch.setattr(selftest, "train", lambda config: {"epochs": [{"loss": 1.0}, {"loss": 1.5}]})
    with pytest.raises(DocreError, match="the loss did not fall"):
        selftest.self_test()
