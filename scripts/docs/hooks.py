"""What mkdocs calls while it builds the site: adds the generated pages, and draws formulas."""

import html
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from scripts.docs import entries, literature, notebooks, reference
from scripts.docs.formulas import to_mathml

ROOT = Path(__file__).parents[2]
MATH = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.S)


def on_config(config: Any) -> Any:
    """Put the generated pages into the navigation, where mkdocs.yml has the name of their folder."""
    made = dict(generated())

    def fill(items: list[Any]) -> list[Any]:
        filled: list[Any] = []
        for item in items:
            for key, value in item.items() if isinstance(item, dict) else [(None, item)]:
                if isinstance(value, list):
                    filled.append({key: fill(value)})
                elif isinstance(value, str) and value.endswith("/"):
                    filled += [path for path in made if path.startswith(value)]
                else:
                    filled.append(item)
        return filled

    config.nav = fill(config.nav)
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages, and the pictures of results/."""
    for path, text in generated():
        files.append(File.generated(config, path, content=text))
    for picture in sorted((ROOT / "results").glob("*.png")):
        files.append(File.generated(config, f"results/{picture.name}", content=picture.read_bytes()))
    return files


def generated() -> list[tuple[str, str]]:
    """The path and the Markdown of every generated page."""
    return [*entries.pages(), *reference.pages(), *notebooks.pages(), *literature.pages()]


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in what a page asks for as {{ name }}."""
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: FILLED[found[1]](), markdown)


FILLED = {
    "losses": lambda: entries.overview("losses"),
    "models": lambda: entries.overview("models"),
    "published": literature.published,
    "slips": literature.slips,
}


def on_page_content(content: str, **_: Any) -> str:
    """Draw formulas: LaTeX to MathML."""
    return MATH.sub(lambda m: to_mathml(html.unescape(m[3]).strip(), m[1] == "div"), content)
