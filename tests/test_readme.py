"""The README is true: every command in it is run, and its examples in Python, JSON and YAML are used."""

import argparse
import importlib
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import docre
from docre.analysis.plots import available
from docre.commands import train
from docre.config.loading import load_config
from docre.data.readers.docred import write_docred
from docre.data.schema import load_schema
from tests.conftest import ROOT
from tests.test_extraction import GOOD
from tests.tiny import RELATIONS, random_documents, save_tiny_encoder

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.M | re.S)
INLINE = re.findall(r"`((?:python|bash|docre) [^`]+)`", re.sub(r"^```.*?^```$", "", README, flags=re.M | re.S))


def block(language: str, having: str = "") -> str:
    """The code block in this language that contains `having`."""
    (found,) = [text for name, text in BLOCKS if name == language and having in text]
    return found


def lines(text: str) -> list[str]:
    """The commands of a block, without comments."""
    commands = [shlex.join(shlex.split(line, comments=True)) for line in text.splitlines()]
    return [command for command in commands if command]


# Commands that are not run, and why. Their arguments are parsed, or their syntax is checked, and their files exist.
NOT_RUN = {
    "bash scripts/quickstart.sh": "installs; the training that it starts is run below, with other settings",
    "bash scripts/test.sh": "installs, and is what runs this",
    "bash scripts/test.sh tests/losses": "the same",
    "bash scripts/test.sh tests/models": "the same",
    "bash scripts/test.sh tests/terms": "the same",
    "bash scripts/test.sh tests/data": "the same",
    "bash scripts/compare_losses.sh": "takes an hour; tests/training/test_losses_train.py trains every loss",
    "accelerate launch --num_processes 4 -m docre.train --config configs/redocred_bert_atgl.yaml": "four processes; "
    "tests/training/test_processes.py starts some",
    "torchrun --nproc_per_node 2 -m docre.train --config configs/redocred_bert_atgl.yaml": "the same",
    "docre import-checkpoint --weights best.ckpt --config configs/redocred_bert_atl.yaml --output runs/published "
    "data.relations=rel2id.json": "needs published weights; tests/inference/test_published.py imports some",
    "docre push --checkpoint runs/mine owner/name": "uploads; tests/inference/test_hub.py serves itself",
    "docre download redocred": "downloads; tests/download/test_download.py serves itself",
    "python -m scripts.reproduce scripts/plans/cpu.yaml": "takes hours; tests/scripts runs a small plan",
    "python -m scripts.reproduce scripts/plans/gpu.yaml": "takes a GPU for days",
    "python -m scripts.benchmark --scaling": "takes an hour; tests/scripts/test_benchmark.py runs parts",
    "python -m scripts.benchmark.losses": "takes minutes",
}
# Arguments added to a command so that it takes seconds. Hub names are folders with tiny encoders there.
SMALL = "encoder.name=bert-base-cased model.name=atlop model.head_size=32 model.block_size=8 training.epochs=1".split()
EXTRA_ARGUMENTS = {
    "docre train": SMALL,
    "docre sweep": SMALL,
    "docre recipe": SMALL,
    "docre synthetic": ["--train", "3", "--dev", "2", "--test", "2", "--output", "made"],
}
SCRIPTS = [lines(text) for name, text in BLOCKS if name == "bash"] + [lines(text) for text in INLINE]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder as after the quickstart, with tiny versions of all the files that the README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("configs", "scripts"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("bert-base-cased", "bert-base-uncased"):
        save_tiny_encoder(folder / name)
    real = dict(zip(RELATIONS, load_schema("docred").relations, strict=False))

    def write(path: str, seed: int) -> None:
        documents = random_documents(4, seed=seed)
        renamed = [
            replace(d, triples=[replace(t, relation=real[t.relation]) for t in d.triples or ()]) for d in documents
        ]
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_docred(folder / path, renamed)

    for seed, split in enumerate(("train", "dev", "test")):
        for path in (f"data/redocred/{split}_revised.json", f"data/synthetic/{split}.json", f"{split}.json"):
            write(path, seed)
    write("documents.json", 9)
    (folder / "letters").mkdir()
    (folder / "letters/first.txt").write_text("Ada Lovelace wrote from London to Charles Babbage.")
    shutil.copy(ROOT / "data/synthetic/rel_info.json", folder / "data/synthetic")
    (folder / "data/synthetic/rel_info.json").write_text(json.dumps({relation: relation for relation in real.values()}))
    (folder / "mine.jsonl").write_text(" ".join(block("json", '"text"').split()) + "\n")
    values = {"reader": "docred", **{split: str(folder / f"{split}.json") for split in ("train", "dev", "test")}}
    overrides = [f"data.{key}={value}" for key, value in values.items()]
    overrides += [
        f"encoder.name={folder}/bert-base-cased",
        "training.epochs=2",
        "training.head_lr=1e-1",
        "loss.alpha=60",
    ]
    overrides += ["data.relations=docred", f"output={folder}/runs/quickstart"]
    train.main(["--config", str(ROOT / "configs/quickstart.yaml"), *overrides])
    for name in ("mine", "a", "b"):
        shutil.copytree(folder / "runs/quickstart", folder / "runs" / name)
    shutil.copy(folder / "runs/mine/result.json", folder)
    shutil.copy(folder / "test.json", folder / "extracted.json")
    assert len(json.loads((folder / "result.json").read_text())) > 3
    (folder / "my_losses.py").write_text(block("python", "LOSSES.register"))
    (folder / "extracted.jsonl").write_text(json.dumps(GOOD.to_json()) + "\n")
    return folder


def command_of(words: list[str]) -> tuple[str, Callable[[list[str]], None], list[str]]:
    """The name of a command or script, its main function, and its arguments."""
    words = shlex.split(shlex.join(words).replace("-m docre.", "docre "))
    if "docre" in words:
        at = words.index("docre") + 1
        return (
            f"docre {words[at]}",
            importlib.import_module(f"docre.commands.{words[at].replace('-', '_')}").main,
            words[at + 1 :],
        )
    assert words[:2] == ["python", "-m"]
    path = ROOT / words[2].replace(".", "/")
    return words[2], runpy.run_path(str(path / "__main__.py" if path.is_dir() else f"{path}.py"))["main"], words[3:]


@pytest.mark.parametrize("script", [s for s in SCRIPTS if set(s) - set(NOT_RUN)], ids=lambda script: script[0])
def test_commands(script, place, monkeypatch, capsys):
    """Run the lines of a block one after another."""
    monkeypatch.chdir(place)
    for command in script:
        if command in NOT_RUN or ("docre report" in command and not available()):
            continue
        if "my_losses" in command:  # in a process of its own, as the loss would stay registered in this one
            python = [sys.executable, "-m", *shlex.split(command), *EXTRA_ARGUMENTS["docre train"]]
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            result = subprocess.run(python, env=environment, capture_output=True, text=True, timeout=300)
            assert result.returncode == 0, result.stderr
            assert "name: mine\n  weight: 2" in Path("runs/mine_2/config.yaml").read_text()
            continue
        name, main, arguments = command_of(shlex.split(command))
        if arguments == ["--help"]:
            with pytest.raises(SystemExit, match=r"^0$"):
                main(arguments)
            continue
        main([*arguments, *EXTRA_ARGUMENTS.get(name, [])])
        assert capsys.readouterr().out or name == "docre synthetic"
        for option in ("--output", "--json", "--card"):
            if option in arguments:
                assert Path(arguments[arguments.index(option) + 1]).exists()


class Parsed(Exception):
    """Raised when the arguments were parsed without an error."""


@pytest.mark.parametrize("command", NOT_RUN)
def test_commands_that_are_not_run(command, monkeypatch):
    assert command in {line for script in SCRIPTS for line in script}, "no longer in the README"
    words = shlex.split(command)
    for word in words:
        assert not re.match(r"(configs|scripts|tests)/", word) or (ROOT / word).exists()
    if words[0] == "bash":
        subprocess.run(["bash", "-n", ROOT / words[1]], check=True)
        return

    def parse(parser: argparse.ArgumentParser, *arguments: Any) -> None:
        real(parser, *arguments)
        raise Parsed

    real = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    _, main, arguments = command_of(words)
    monkeypatch.setattr(sys, "argv", [words[1], *arguments])
    with pytest.raises(Parsed):
        main(arguments) if main.__code__.co_argcount else main()


def test_examples_in_python(place, monkeypatch, capsys):
    """All examples except those of extensions, which the next test covers."""
    monkeypatch.chdir(place)
    for language, text in BLOCKS:
        if language == "python" and not re.search(r"^(@(\w+\.register|pair_loss|term)\(|SAMPLES)", text, re.M):
            exec(compile(text, "README.md", "exec"), {})
            assert capsys.readouterr().out.count("\n") > 3


# For each example of an extension: where the README puts it, the slow version and its file, the tests, and how many.
EXTENSIONS = {
    "LOSSES": ("docre/losses/mine.py", "@pair_loss(", "tests/losses/slow.py", ["tests/losses", "-k", "mine"], 30),
    "MODELS": ("docre/models/my_models.py", "", "", ["tests/models/test_contract.py", "-k", "no_context"], 12),
    "TERMS": ("docre/terms/focus.py", "@term(", "tests/terms/slow.py", ["tests/terms", "-k", "focus"], 5),
    "READERS": (
        "docre/data/readers/mine.py",
        "SAMPLES[",
        "tests/data/samples.py",
        ["tests/data/test_reader_contract.py", "-k", "sentences"],
        12,
    ),
}


@pytest.mark.parametrize("registry", EXTENSIONS)
def test_extensions_fulfil_the_contract_where_the_readme_puts_them(registry, tmp_path):
    file, slow, slow_file, tests, number = EXTENSIONS[registry]
    example = block("python", f"{registry}.register")
    assert example.count("\n") < 40
    for name in ("docre", "tests", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / file).write_text(example)
    if slow:
        with (tmp_path / slow_file).open("a") as written:
            written.write("\n\n" + block("python", slow))
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    for words in (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["pytest", "-q", *tests],
    ):
        result = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert result.returncode == 0, result.stdout
    assert int(re.search(r"(\d+) passed", result.stdout)[1]) >= number


def test_examples_of_data_and_config(tmp_path):
    (tmp_path / "mine.json").write_text(f"[{block('json', 'vertexSet')}]")
    (document,) = docre.read(tmp_path / "mine.json")
    (tmp_path / "mine.jsonl").write_text(" ".join(block("json", '"text"').split()))
    (same,) = docre.read(tmp_path / "mine.jsonl", "jsonl")
    assert [e.name for e in document.entities] == [e.name for e in same.entities] == ["Ada Lovelace", "London"]
    assert [(t.head, t.relation, t.tail) for t in document.triples] == [(0, "P19", 1)]
    (tmp_path / "c.yaml").write_text(block("yaml", "encoder:"))
    assert load_config(tmp_path / "c.yaml").loss.parameters == {"alpha": 16.5}
    shipped = (ROOT / "configs/recipes/quickstart_stages.yaml").read_text()
    assert yaml.safe_load(block("yaml", "stages:")) == yaml.safe_load(shipped)
