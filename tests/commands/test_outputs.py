"""What a command writes: never in place of what it reads, and never in a format that the name does not say."""

import json
import re
from pathlib import Path

import pytest

from docre.__main__ import COMMANDS, main
from docre.core.files import check_output, write_text
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.evaluation import write_submission
from tests.tiny import random_documents

GIVEN, MODEL = "given.json", ["--checkpoint", "none"]
# Arguments with which a command would replace the file GIVEN, which it reads. Checkpoints are not there: the check
# comes before they are loaded.
REPLACING = {
    "predict": [*MODEL, "--input", GIVEN, "--output", GIVEN],
    "extract": [*MODEL, "text", "--dev", GIVEN, "--output", f"./{GIVEN}l"],
    "tag": [*MODEL, "--data", GIVEN, "--output", GIVEN],
    "label": [*MODEL, "--input", GIVEN, "--output", GIVEN],
    "calibrate": [*MODEL, "--data", GIVEN, "--output", GIVEN],
    "convert": ["--reader", "docred", "--input", GIVEN, "--output", f"../{{folder}}/{GIVEN}"],
    "graph": [f"{GIVEN}l", "--output", f"{GIVEN}l"],
    "prompt": ["--data", GIVEN, "--output", GIVEN],
    "evaluate": ["--predictions", "result.json", "--gold", GIVEN, "--json", f"{{whole}}/{GIVEN}"],
    "stats": [GIVEN, "--json", GIVEN],
    "report": ["none", "--data", GIVEN, "--output", GIVEN],
    "push": ["owner/name", *MODEL, "--scores", GIVEN, "--card", GIVEN],
    "compare": ["one=a", "two=.", "--json", "result.json"],
}


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_docred(GIVEN, random_documents(2))
    Path(f"{GIVEN}l").symlink_to(GIVEN)
    write_submission("result.json", [])
    return tmp_path


def test_every_command_that_writes_a_file_is_tested(capsys):
    writing = set()
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        usage = capsys.readouterr().out
        if any(f"--{option}" in usage for option in ("output FILE", "json FILE", "json OUT", "card FILE")):
            writing.add(command)
    assert writing == set(REPLACING)


@pytest.mark.parametrize("command", REPLACING)
def test_no_input_is_replaced(command, files, capsys):
    before = [Path(name).read_bytes() for name in (GIVEN, "result.json")]
    with pytest.raises(SystemExit) as end:
        main([command, *(a.format(folder=files.name, whole=files) for a in REPLACING[command])])
    assert end.value.code == 2 and re.search(f"({GIVEN}l?|result.json): this would replace", capsys.readouterr().err)
    assert [Path(name).read_bytes() for name in (GIVEN, "result.json")] == before


def test_a_text_is_not_replaced(files, capsys):
    Path("texts.jsonl").write_text('{"text": "a", "note": 1}\n')
    with pytest.raises(SystemExit):
        main(["extract", *MODEL, "texts.jsonl", "--output", "./texts.jsonl"])
    assert "texts.jsonl: this would replace the input" in capsys.readouterr().err


def test_answers_and_decisions_are_not_replaced_either(files, capsys):
    arguments = ["--answers", "answers.jsonl", "--gold", GIVEN, "--write"]
    for written in ("answers.jsonl", GIVEN):
        with pytest.raises(SystemExit):
            main(["evaluate", *arguments, written])
        assert f"{written}: this would replace the input" in capsys.readouterr().err
    suggestions = {"format": 1, "data": GIVEN, "reader": "docred", "digest": "", "suggestions": []}
    Path("decisions.json").write_text(json.dumps(suggestions))
    before = Path(GIVEN).read_bytes()
    with pytest.raises(SystemExit):
        main(["audit", "--apply", "decisions.json", "--output", GIVEN])
    assert Path(GIVEN).read_bytes() == before


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["predict", *MODEL, "--input", GIVEN], "o.csv"),
        (["predict", *MODEL, "--input", GIVEN], "o.jsonl.gz"),
        (["label", *MODEL, "--input", GIVEN], "o.jsonl"),
        (["tag", *MODEL, "--data", GIVEN], "o.parquet"),
        (["convert", "--reader", "docred", "--input", GIVEN], "o.json.gz"),
    ],
)
def test_no_file_has_a_name_of_another_format(command, name, files, capsys):
    with pytest.raises(SystemExit) as end:
        main([*command, "--output", name])
    assert end.value.code == 2 and not Path(name).exists()
    assert f"{name}: cannot write this kind of file: expected a name that ends with .json" in capsys.readouterr().err


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DocreError, match="cannot write: a folder"):
        check_output(tmp_path)
    check_output(tmp_path / "new" / "a.json", [tmp_path / "a.json", None], [".json"])


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs /dev/null")
def test_a_device_is_no_file():
    for write in (check_output, lambda path: write_text(path, "")):
        with pytest.raises(DocreError, match="/dev/null: cannot write: not a regular file"):
            write("/dev/null")
