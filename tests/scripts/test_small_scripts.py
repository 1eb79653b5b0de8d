"""scripts/setup.py, scripts/matrix.py and scripts/compare_losses.sh, without what they install or train."""

import shutil
import subprocess

import pytest

from scripts import matrix, setup
from tests.conftest import ROOT


def test_run_needs_a_command(capsys):
    assert setup.main(["--run"]) == 2
    assert "usage: python scripts/setup.py" in capsys.readouterr().out


def test_unknown_versions_are_named(capsys):
    with pytest.raises(SystemExit) as end:
        matrix.main(["newest", "latest"])
    assert end.value.code == 2
    assert "error: unknown versions: latest (known: oldest, newest)" in capsys.readouterr().err


def test_finished_runs_are_left_to_docre_train(tmp_path):
    """Which knows whether they are runs of the same config; the script would show old numbers."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/compare_losses.sh", tmp_path / "scripts")
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\n[ "$1" = -c ] && echo atl bce && exit\necho "$@" >> calls\n')
    python.chmod(0o755)
    (tmp_path / "runs/compare_losses_2/atl").mkdir(parents=True)
    (tmp_path / "runs/compare_losses_2/atl/metrics.json").write_text("{}")
    subprocess.run(["bash", tmp_path / "scripts/compare_losses.sh", "2", "seed=1"], check=True)
    first, second, _ = (tmp_path / "calls").read_text().splitlines()
    for call, loss in ((first, "atl"), (second, "bce")):
        assert call.startswith(f"-m docre.train --config configs/redocred_bert_{loss}.yaml") and call.endswith(
            " seed=1"
        )
