"""Tables of published numbers and of slips in published code, from docs/literature.yaml, and the pages of results/."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from scripts.docs.results import cost, ours
from scripts.docs.tables import table

ROOT = Path(__file__).parents[2]


@cache
def literature() -> Any:
    """The content of docs/literature.yaml."""
    return yaml.safe_load((ROOT / "docs/literature.yaml").read_text(encoding="utf-8"))


def published() -> str:
    """A table of published numbers, with their source, and ours beside them."""
    header = ["model", "data", "encoder, setting", "published", "source", "docre, test F1"]
    rows = []
    for row in literature()["published"]:
        link = f"[`{row['model']}`](models/{row['model']}.md)"
        measured = ours(row["model"], row["data"], row["encoder"]) if row.get("compare", True) else "-"
        setting, scores = f"{row['encoder']}, {row['setting']}", row["scores"].replace("; ", "<br>")
        rows.append([link, row["data"], setting, scores, row["source"], measured])
    return table(header, rows)


def slips() -> str:
    """A table of slips for each model, with their repair in docre and what they cost."""
    parts = []
    for model, found in literature()["slips"].items():
        rows = []
        for slip in found:
            repair = f"`{slip['repair']}`" if "repair" in slip else slip["docre"]
            measured = cost(*slip["runs"]) if "runs" in slip else "-"
            rows.append([slip["slip"], slip["effect"], repair, measured])
        header = ["what the published code does", "effect", "in docre", "test F1 as published → repaired"]
        parts += [f"### {model}", table(header, rows)]
    return "\n\n".join(parts)


def pages() -> Iterator[tuple[str, str]]:
    """The pages of results/, with links that fit."""
    for path in sorted((ROOT / "results").rglob("README.md")):
        folder = path.parent.relative_to(ROOT / "results").as_posix()
        name = "results.md" if folder == "." else f"results-{folder.replace('/', '-')}.md"
        text = re.sub(r"\]\((?!http)([^)]+)\)", lambda link: f"]({target(link[1])})", path.read_text(encoding="utf-8"))
        yield name, re.sub(r"^```$\n(?=#|python|docre)", "```bash\n", text, flags=re.M)


def target(link: str) -> str:
    """Where a link of results/README.md leads on the site: pages and pictures are there, JSON files are not."""
    if link.endswith("README.md"):
        return f"results-{Path(link).parent.as_posix().replace('/', '-')}.md"
    return f"results/{link}" if link.endswith(".png") else "results.md"
