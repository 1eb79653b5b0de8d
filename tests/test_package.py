"""The package: what pip installs has everything, and works from another folder, without the repository."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from docre.version import VERSION
from tests.conftest import ROOT
from tests.tiny import save_tiny_encoder

NEEDED = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff")
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info")


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The folder of sdist and wheel, the latter built of what the sdist has."""
    pytest.importorskip("build", reason="needs build: bash scripts/setup.sh dev")
    source, output = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in (*NEEDED, "CONTRIBUTING.md", "SECURITY.md"):
        shutil.copy(ROOT / name, source)
    for name in ("docre", "configs", "scripts", "data/synthetic"):
        shutil.copytree(ROOT / name, source / name, ignore=IGNORED)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), str(source)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert "importable" not in result.stdout, "setuptools' warning that a folder is no package"
    return output


def files(folder: str) -> set[str]:
    """The files in a folder of the repository."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_the_wheel_has_code_configs_schemas_and_pages(built):
    (wheel,) = built.glob(f"docre-{VERSION}-py3-none-any.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == files("docre") | {f"docre/{name}" for name in files("configs")}
    assert {"docre/configs/recipes/dreeam.yaml", "docre/data/schemas/docred.json", "docre/py.typed"} <= names
    assert "docre/graph/page/page.html" in names


def test_the_sdist_has_what_the_wheel_is_made_of(built):
    (sdist,) = built.glob(f"docre-{VERSION}.tar.gz")
    with tarfile.open(sdist) as content:
        names = {name.partition("/")[2] for name in content.getnames()}
    assert {*NEEDED, "scripts/constraints.txt", "data/synthetic/train.json"} <= names
    assert files("docre") | files("configs") <= names


STEPS = """
import docre, docre.__main__
assert {target!r} in docre.__file__, docre.__file__
for words in (
    "synthetic --train 4 --dev 2 --test 2",
    "quickstart encoder.name=tiny model.name=atlop model.head_size=16 model.block_size=8 training.epochs=1",
    "train --config quickstart encoder.name=tiny model.name=atlop model.head_size=16 model.block_size=8"
    " training.epochs=1 output=runs/second",
    "evaluate --checkpoint runs/second --data data/synthetic/test.json --train data/synthetic/train.json",
    "graph nothing.jsonl --output page.html",
    "recipe recipes/quickstart_stages --plan",
    "losses",
):
    docre.__main__.main(words.split())
"""


def test_the_installed_wheel_runs_from_another_folder(built, tmp_path):
    """The steps of the quickstart. The package's dependencies are those of this environment."""
    (wheel,) = built.glob("*.whl")
    target, place = tmp_path / "installed", tmp_path / "place"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(pip, check=True, timeout=120)
    save_tiny_encoder(place / "tiny", max_position_embeddings=512)
    (place / "nothing.jsonl").touch()
    environment = os.environ | {"PYTHONPATH": str(target), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", STEPS.format(target=str(target))]
    result = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "what to do next" in result.stdout and "takes from head" in result.stdout
    assert "<html" in (place / "page.html").read_text()


def test_the_version_is_said_once():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == VERSION
    assert re.search(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == VERSION
    assert VERSION not in (ROOT / "pyproject.toml").read_text()
