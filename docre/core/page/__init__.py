"""Makes one self-contained HTML page of a folder with page.html, style.css and viewer.js: nothing beside it, nothing
from a network. This folder has what all pages have in common."""

import json
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined

COMMON = Path(__file__).parent


def render(folder: Path, data: Any, base: Path | None = None, **values: Any) -> str:
    """The page. Its template extends "common/page.html", which places `data`, `style` and `script` as they are, and
    `values`, among them `title`, escaped; or else "base/page.html". The styles and scripts of what is extended come
    first.

    base: another such folder, whose page this one extends.
    """
    chain = [COMMON, base or folder] + ([folder] if base else [])
    shared = PrefixLoader({"common": FileSystemLoader(COMMON), "base": FileSystemLoader(base or folder)})
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder), shared]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html").render(
        # no "<" in the data, so that nothing in a document can end the script element
        data=json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        style="\n".join((each / "style.css").read_text(encoding="utf-8") for each in chain),
        script="\n".join((each / "viewer.js").read_text(encoding="utf-8") for each in chain),
        **values,
    )
