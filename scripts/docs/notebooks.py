"""Notebooks as pages, with the outputs that are saved in them.

python -m scripts.docs.notebooks docs/notebooks/*.ipynb    # runs them, and saves what they print and draw
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/notebooks"


def pages() -> Iterator[tuple[str, str]]:
    """The path and the Markdown of every notebook."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        parts = [part for cell in cells for part in markdown(cell)]
        parts.insert(1, f"[Download this notebook]({path.name})")
        yield f"notebooks/{path.stem}.md", "\n\n".join(parts) + "\n"


def markdown(cell: Mapping[str, Any]) -> Iterator[str]:
    """A cell, and what it has printed and drawn."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            yield f'<img alt="plot" src="data:image/png;base64,{"".join(data["image/png"]).replace(chr(10), "")}">'
        elif text := "".join(output.get("text", data.get("text/plain", ""))):
            yield f"```text\n{text.rstrip()}\n```"


def execute(path: Path) -> None:
    """Run a notebook in an empty folder that has configs/ and data/, and save it with its outputs."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as folder:
        for name in ("configs", "data"):
            Path(folder, name).symlink_to(ROOT / name)
        NotebookClient(notebook, timeout=None, resources={"metadata": {"path": folder}}).execute()
    for cell in notebook.cells:
        cell.metadata.clear()  # when it was run
        if cell.cell_type == "code":
            cell.outputs = tidy(cell.outputs)
    nbformat.write(notebook, path)


def tidy(outputs: Sequence[Any]) -> list[Any]:
    """Outputs without progress bars, and with one output for lines that were printed one after another."""
    kept: list[Any] = []
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        if kept and output["output_type"] == "stream" == kept[-1]["output_type"]:
            kept[-1]["text"] = "".join([*kept[-1]["text"], *output["text"]])
        else:
            kept.append(output)
    return kept


if __name__ == "__main__":
    for notebook_path in map(Path, sys.argv[1:]):
        execute(notebook_path)
