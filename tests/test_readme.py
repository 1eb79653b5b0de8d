"""README and docs are true: every command in them is run, and their examples in Python, JSON and YAML are used."""

import argparse
import importlib.util
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

import docre
from docre.analysis.plots import available
from docre.audit import Suggestions
from docre.commands import train
from docre.config.loading import load_config
from docre.core.manifests import digest
from docre.data.readers.docred import write_docred
from docre.data.schema import load_schema
from scripts.docs.entries import REGISTRIES
from tests.conftest import ROOT
from tests.test_extraction import GOOD
from tests.tiny import RELATIONS, random_documents, save_tiny_encoder


class Block(NamedTuple):
    """A code block of a page; its title is the name of the file that it is."""

    language: str
    title: str
    text: str


def blocks_of(page: str) -> list[Block]:
    """The code blocks of a page."""
    return [Block(*found) for found in re.findall(r'^```(\w*)(?: title="(.*?)")?\n(.*?)^```$', page, re.M | re.S)]


def inline(page: str) -> list[str]:
    """The commands in the sentences of a page."""
    return re.findall(r"`((?:python|bash|docre) [^`]+)`", re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S))


README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = blocks_of(README)
PAGES = {
    path.relative_to(ROOT).as_posix(): blocks_of(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "docs").rglob("*.md"))
}
INLINE = inline(README)


def block(language: str, having: str = "") -> str:
    """The code block of the README in this language that contains `having`."""
    (found,) = [block.text for block in BLOCKS if block.language == language and having in block.text]
    return found


def lines(text: str) -> list[str]:
    """The commands of a block, without comments."""
    commands = [shlex.join(shlex.split(line, comments=True)) for line in text.splitlines()]
    return [command for command in commands if command]


# Commands that are not run, and why. Their arguments are parsed, or their syntax is checked, and their files exist.
NOT_RUN = {
    "bash scripts/quickstart.sh": "installs; the training that it starts is run below, with other settings",
    "bash scripts/docs.sh": "tests/test_docs.py builds the documentation",
    "bash scripts/test.sh": "installs, and is what runs this",
    "bash scripts/test.sh tests/losses": "the same",
    "bash scripts/test.sh tests/models": "the same",
    "bash scripts/test.sh tests/terms": "the same",
    "bash scripts/test.sh tests/data": "the same",
    "bash scripts/test.sh tests/graph": "the same",
    "bash scripts/test.sh tests/text": "the same",
    "bash scripts/compare_losses.sh": "takes an hour; tests/training/test_losses_train.py trains every loss",
    "accelerate launch --num_processes 4 -m docre.train --config configs/redocred_bert_atgl.yaml": "four processes; "
    "tests/training/test_processes.py starts some",
    "torchrun --nproc_per_node 2 -m docre.train --config configs/redocred_bert_atgl.yaml": "the same",
    "torchrun --nnodes 2 --nproc_per_node 8 --rdzv_backend c10d --rdzv_endpoint host1:29500 -m docre.train --config "
    "configs/redocred_bert_atgl.yaml": "two machines; tests/training/test_processes.py starts both agents on one",
    "docre import-checkpoint --weights best.ckpt --config configs/redocred_bert_atl.yaml --output runs/published "
    "data.relations=rel2id.json": "needs published weights; tests/inference/test_published.py imports some",
    "docre push --checkpoint runs/mine owner/name": "uploads; tests/inference/test_hub.py serves itself",
    "docre download redocred": "downloads; tests/download/test_download.py serves itself",
    "python -m scripts.reproduce scripts/plans/cpu.yaml": "takes hours; tests/scripts runs a small plan",
    "python -m scripts.reproduce scripts/plans/gpu.yaml": "takes a GPU for days",
    "python -m scripts.benchmark --precision fp32 --scaling": "an hour; tests/scripts/test_benchmark.py runs parts",
    "python -m scripts.benchmark.losses": "takes minutes",
    "docre serve --checkpoint runs/quickstart": "waits for requests; tests/serve starts it",
    "docre train --config entities_quickstart": "minutes; tests/entities trains a small one",
    "docre train --config quickstart tagger.name=joint tagger.run=runs/entities_quickstart": "the same",
}
# Arguments added to a command so that it takes seconds. Hub names are folders with tiny encoders there.
SMALL = "encoder.name=bert-base-cased model.name=atlop model.head_size=32 model.block_size=8 training.epochs=1".split()
EXTRA_ARGUMENTS = {
    "docre train": SMALL,
    "docre sweep": SMALL,
    "docre recipe": SMALL,
    "docre audit --config": [*SMALL, "training.batch_size=1"],
    "docre distil": SMALL,
    "docre synthetic": ["--train", "3", "--dev", "2", "--test", "2", "--output", "made"],
}
SCRIPTS = [lines(block.text) for block in BLOCKS if block.language == "bash"] + [lines(text) for text in INLINE]
SCRIPTS_OF_PAGES = [lines(b.text) for blocks in PAGES.values() for b in blocks if b.language == "bash"]
SCRIPTS_OF_PAGES += [lines(text) for path in PAGES for text in inline((ROOT / path).read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def place(tmp_path_factory, entity_run) -> Path:
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
    overrides += ["tagger.name=joint", f"tagger.run={entity_run}"]
    train.main(["--config", str(ROOT / "configs/quickstart.yaml"), *overrides])
    for seed, name in enumerate(("mine", "a", "b")):
        shutil.copytree(folder / "runs/quickstart", folder / "runs" / name)
        config = folder / "runs" / name / "config.yaml"
        config.write_text(config.read_text().replace("seed: 66", f"seed: {seed}"))
    shutil.copy(folder / "runs/mine/result.json", folder)
    shutil.copy(folder / "test.json", folder / "extracted.json")
    Suggestions(str(folder / "train.json"), digest(folder / "train.json"), "docred", []).save(folder / "decisions.json")
    (folder / "answers.jsonl").write_text('{"title": "none", "answer": "(a| country| b)"}\n')
    assert len(json.loads((folder / "result.json").read_text())) > 3
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
    monkeypatch.chdir(place)
    run_commands(script, capsys)


def run_commands(script: list[str], capsys) -> None:
    """Run the lines of a block one after another."""
    for command in script:
        if command in NOT_RUN or ("docre report" in command and not available()):
            continue
        name, main, arguments = command_of(shlex.split(command))
        if arguments == ["--help"]:
            with pytest.raises(SystemExit, match=r"^0$"):
                main(arguments)
            continue
        whole = shlex.join([name, *arguments])
        main([*arguments, *next((extra for start, extra in EXTRA_ARGUMENTS.items() if start_of(start, whole)), [])])
        assert capsys.readouterr().out or name == "docre synthetic"
        for option in ("--output", "--json", "--card"):
            if option in arguments:
                assert Path(arguments[arguments.index(option) + 1]).exists()


def start_of(start: str, command: str) -> bool:
    """Whether a command begins with these words."""
    return command.replace("'", "").split()[: len(start.split())] == start.split()


class Parsed(Exception):
    """Raised when the arguments were parsed without an error."""


@pytest.mark.parametrize("command", NOT_RUN)
def test_commands_that_are_not_run(command, monkeypatch):
    assert command in {line for script in SCRIPTS + SCRIPTS_OF_PAGES for line in script}, "nowhere any more"
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
    monkeypatch.chdir(place)
    for block in BLOCKS:
        if block.language == "python":
            exec(compile(block.text, "README.md", "exec"), {})
            assert capsys.readouterr().out.count("\n") > 3


@pytest.mark.parametrize("page", PAGES)
def test_pages(page, place, monkeypatch, capsys):
    """The blocks of a page in their order: one with a title is that file; commands and examples in Python are run."""
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(place)
    with unregistered_afterwards():
        for language, title, text in PAGES[page]:
            if title:
                if not title.startswith("tests/"):
                    write_block(place / title, text)
            elif language == "bash":
                run_commands(lines(text), capsys)
            elif language == "python":
                exec(compile(text, page, "exec"), {})
                assert capsys.readouterr().out
            else:
                {"json": json.loads, "yaml": yaml.safe_load, "text": str}[language](text)
    if page.endswith("loss.md"):
        assert "name: mine\n  weight: 2" in (place / "runs/mine_2/config.yaml").read_text()


def write_block(path: Path, text: str) -> None:
    """Make a file of a block. A module of docre is imported, as it would be from its package."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if path.relative_to(Path.cwd()).parts[0] == "docre":
        name = ".".join(path.relative_to(Path.cwd()).with_suffix("").parts)
        spec = importlib.util.spec_from_file_location(name, path)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


@contextmanager
def unregistered_afterwards():
    """Removes what was registered and imported in this block."""
    names, modules = {kind: set(registry) for kind, registry in REGISTRIES.items()}, set(sys.modules)
    try:
        yield
    finally:
        for kind, registry in REGISTRIES.items():
            for name in set(registry) - names[kind]:
                registry.unregister(name)
        for module in set(sys.modules) - modules:
            if module.startswith("my_") or module in ("docre.graph.yaml", "docre.training.stages.sample"):
                del sys.modules[module]


# For each example of an extension: the file that it becomes in docre, its name, its tests, and how many there are.
EXTENSIONS = {
    "loss": ("docre/losses/mine.py", "mine", "tests/losses", 30),
    "model": ("docre/models/my_models.py", "no_context", "tests/models/test_contract.py", 12),
    "term": ("docre/terms/focus.py", "focus", "tests/terms", 5),
    "reader": ("docre/data/readers/mine.py", "sentences", "tests/data/test_reader_contract.py", 12),
    "exporter": ("docre/graph/yaml.py", "yaml", "tests/graph/test_contract.py", 3),
    "stage": ("docre/training/stages/sample.py", "sample", "tests/test_imports.py", 1),
}
if (ROOT / "tests/text/test_contract.py").exists():
    EXTENSIONS["tagger"] = ("docre/text/mine.py", "names", "tests/text/test_contract.py", 3)


def test_extensions_fulfil_the_contract_where_their_pages_put_them(tmp_path):
    for name in ("docre", "tests", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for kind, (file, *_) in EXTENSIONS.items():
        for language, title, text in PAGES[f"docs/extend/{kind}.md"]:
            if language == "python" and title:
                assert text.count("\n") < 60
                with (tmp_path / (title if title.startswith("tests/") else file)).open("a") as written:
                    written.write("\n\n" * title.startswith("tests/") + text)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    tests = [tests for _, _, tests, _ in EXTENSIONS.values()]
    names = " or ".join(name for _, name, _, _ in EXTENSIONS.values())
    for words in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["pytest", "-v", *tests, "-k", names]):
        result = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert result.returncode == 0, result.stdout
    passed = [line for line in result.stdout.splitlines() if " PASSED" in line]
    for _, name, tests, number in EXTENSIONS.values():
        assert len([line for line in passed if line.startswith(tests) and name in line]) >= number, name


def test_examples_of_data_and_config(tmp_path):
    (tmp_path / "mine.json").write_text(f"[{block('json', 'vertexSet')}]")
    (document,) = docre.read(tmp_path / "mine.json")
    (tmp_path / "mine.jsonl").write_text(" ".join(block("json", '"text"').split()))
    (same,) = docre.read(tmp_path / "mine.jsonl", "jsonl")
    assert [e.name for e in document.entities] == [e.name for e in same.entities] == ["Ada Lovelace", "London"]
    assert [(t.head, t.relation, t.tail) for t in document.triples] == [(0, "P19", 1)]
    (tmp_path / "c.yaml").write_text(block("yaml", "encoder:"))
    assert load_config(tmp_path / "c.yaml").loss.parameters == {"alpha": 4.0}
    shipped = (ROOT / "configs/recipes/quickstart_stages.yaml").read_text()
    assert yaml.safe_load(block("yaml", "stages:")) == yaml.safe_load(shipped)
