"""The license: the text of Apache 2.0 to the byte, and metadata that name it."""

import hashlib
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PUBLISHED = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"  # of apache.org/licenses/LICENSE-2.0.txt


def test_the_text_is_the_published_one():
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == PUBLISHED


def test_the_metadata_name_it(tmp_path):
    pytest.importorskip("setuptools", minversion="77")  # which pyproject.toml asks for; pip fetches it for itself
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "docre").mkdir()
    shutil.copy(ROOT / "docre/version.py", tmp_path / "docre")
    code = "from setuptools import build_meta; print(build_meta.prepare_metadata_for_build_wheel('.'))"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    (metadata,) = tmp_path.glob("*.dist-info/METADATA")
    lines = metadata.read_text(encoding="utf-8").splitlines()
    assert "License-Expression: Apache-2.0" in lines and "License-File: LICENSE" in lines
    assert (metadata.parent / "licenses" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
