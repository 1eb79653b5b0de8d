"""Folders are written completely or not at all, and a checkpoint with a single wrong byte is refused."""

import hashlib
import json
import os
import resource
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import docre
from docre.config.schema import Config
from docre.core import manifests
from docre.core.files import write_json, write_text
from docre.core.manifests import check_folder, check_inside, digest, remove_leftovers, write_folder
from docre.data.schema import LabelSchema, load_schema
from docre.errors import DocreError
from docre.inference import checkpoint
from docre.inference.predictor import Predictor
from docre.models import load_pretrained, load_tokenizer
from tests.tiny import RELATIONS


@pytest.fixture(scope="module")
def predictor(tiny_encoder) -> Predictor:
    config = Config.model_validate(
        {
            "output": "o",
            "data": {"train": "t"},
            "encoder": {"name": str(tiny_encoder)},
            "model": {"name": "atlop", "head_size": 16, "block_size": 4},
            "loss": {"name": "atl"},
        }
    )
    name = str(tiny_encoder)
    return Predictor(config, LabelSchema(RELATIONS), load_tokenizer(name), load_pretrained(name))


@pytest.fixture(scope="module")
def saved(predictor, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "best"
    checkpoint.save(predictor, folder)
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_manifest_names_every_file(saved):
    manifest = json.loads((saved / "manifest.json").read_text())
    assert set(manifest) == set(snapshot(saved)) - {"manifest.json"}
    assert {"config.yaml", "model.safetensors", "relations.json", "encoder/tokenizer.json"} <= set(manifest)
    check_folder(saved)


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "added", "no manifest", "broken manifest", "emptied"])
@pytest.mark.parametrize("name", ["model.safetensors", "config.yaml", "encoder/tokenizer.json"])
def test_a_damaged_checkpoint_is_refused_by_name(name, damage, saved, tmp_path):
    folder = Path(shutil.copytree(saved, tmp_path / "c"))
    file = folder / name
    content = file.read_bytes()
    if damage == "cut":
        file.write_bytes(content[:-1])
    elif damage == "changed":
        file.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    elif damage == "missing":
        file.unlink()
    elif damage == "emptied":
        file.write_bytes(b"")
    elif damage == "added":
        file = folder / "encoder" / "special_tokens_map.json"
        file.write_text("{}")
    else:
        file = folder / "manifest.json"
        file.unlink() if damage == "no manifest" else file.write_text("[]")
    with pytest.raises(DocreError) as error:
        docre.load(folder)
    assert str(folder if damage in ("no manifest", "missing") else file) in str(error.value)


@pytest.mark.parametrize("name", ["../outside.txt", "encoder/../../outside.txt", "/etc/hostname"])
def test_a_manifest_leads_nowhere_else(name, saved, tmp_path, monkeypatch):
    """Names in the manifest are only compared with the files in the folder; none is opened by such a name."""
    folder = Path(shutil.copytree(saved, tmp_path / "c"))
    (tmp_path / "outside.txt").write_text("outside")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest = {name: {"bytes": 7, "sha256": hashlib.sha256(b"outside").hexdigest()}} | manifest
    (folder / "manifest.json").write_text(json.dumps(manifest))
    opened = []
    monkeypatch.setattr(manifests, "digest", lambda path: opened.append(path) or digest(path))
    with pytest.raises(DocreError, match=r"missing, though manifest\.json lists it"):
        docre.load(folder)
    assert not opened


def test_a_loop_of_links_is_refused(tmp_path):
    (tmp_path / "a").symlink_to("a")
    with pytest.raises(DocreError, match="a: a link out of the folder, which is not followed"):
        check_inside(tmp_path / "a", tmp_path)


def test_names_too_long_for_a_file_are_no_checkpoint_and_no_schema():
    for load in (docre.load, load_schema):
        with pytest.raises(DocreError, match=r"n{300}"):
            load(300 * "n")


def test_what_people_add_to_a_checkpoint_is_no_damage(saved, tmp_path):
    folder = Path(shutil.copytree(saved, tmp_path / "c"))
    (folder / "README.md").write_text("A model card.")
    (folder / ".gitattributes").write_text("")
    model = docre.load(folder, device="cpu")
    assert model.schema.relations == RELATIONS
    checkpoint.save(model, folder)
    assert (folder / "README.md").read_text() == "A model card." and (folder / ".gitattributes").exists()
    assert docre.load(folder, device="cpu").schema.relations == RELATIONS


@pytest.mark.parametrize("limit", [0, 100, 3000, 50_000])
def test_a_full_disk_leaves_the_old_checkpoint(limit, predictor, saved, tmp_path):
    """A limit on file size (RLIMIT_FSIZE) makes writes fail as on a full disk."""
    folder = Path(shutil.copytree(saved, tmp_path / "run" / "best"))
    before = snapshot(tmp_path)
    assert max(map(len, before.values())) > limit
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(DocreError, match="cannot write"):
            checkpoint.save(predictor, folder)
        with pytest.raises(DocreError, match="cannot write"):
            write_json(tmp_path / "run" / "metrics.json", list(range(limit + 100)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert snapshot(tmp_path) == before
    check_folder(folder)


@pytest.mark.parametrize("call", range(1, 60))
def test_the_folder_is_whole_whichever_call_fails(call, tmp_path, monkeypatch):
    """Each system call of write_folder fails once: the folder then has its complete old or its complete new content."""

    def fill(value: int):
        def write(folder: Path) -> None:
            write_text(folder / "a.txt", "a" * value)
            save_file({"x": torch.full((3,), float(value))}, folder / "sub.safetensors")

        return write

    write_folder(tmp_path / "f", fill(1))
    old = snapshot(tmp_path)
    left, renames = [call], []

    def failing(name):
        real = getattr(os, name)

        def wrapped(*arguments, **keywords):
            left[0] -= 1
            if not left[0]:
                raise OSError(28, "No space left on device")
            if name == "rename":
                renames.append(arguments)
            return real(*arguments, **keywords)

        return wrapped

    with monkeypatch.context() as patch:
        for name in ("mkdir", "open", "fsync", "rename", "replace", "chmod"):
            patch.setattr(os, name, failing(name))
        try:
            write_folder(tmp_path / "f", fill(2))
            failed = False
        except DocreError as error:
            assert str(error).startswith(str(tmp_path)) and "No space left on device" in str(error)
            failed = True
    check_folder(tmp_path / "f")
    if failed and not renames:
        assert snapshot(tmp_path) == old
    elif not failed:
        assert (tmp_path / "f" / "a.txt").read_text() == "aa"
        assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_killed_between_renames_a_folder_comes_back(renames, tmp_path, monkeypatch):
    def fill(text: str):
        return lambda folder: write_text(folder / "a.txt", text)

    write_folder(tmp_path / "f", fill("old"))
    real, left = os.rename, [renames]

    def rename(*arguments):
        if not left[0]:
            raise KeyboardInterrupt  # the process ends here ...
        left[0] -= 1
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        patch.setattr(shutil, "rmtree", lambda *arguments, **keywords: None)  # ... and removes nothing
        with pytest.raises(KeyboardInterrupt) if renames < 2 else nullcontext():
            write_folder(tmp_path / "f", fill("new"))
    assert (tmp_path / "f").exists() == (renames != 1)
    remove_leftovers(tmp_path)
    check_folder(tmp_path / "f")
    assert (tmp_path / "f" / "a.txt").read_text() == ("new" if renames == 2 else "old")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_leftovers_are_told_from_other_files(tmp_path):
    ours = [".best.abcd_123.tmp", ".best.abcd_123.old", ".metrics.json.zzzzzzzz.tmp", ".state-12.a1b2c3d4.tmp"]
    others = ["best", ".hidden", "x.tmp", ".best.tmp", "best.abcd1234.tmp", ".lock"]
    for name in ours + others:
        (tmp_path / name).mkdir() if "best" in name else (tmp_path / name).write_text("")
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)
