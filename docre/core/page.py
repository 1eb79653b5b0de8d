"""Makes one self-contained HTML page of a folder with page.html, style.css and viewer.js: nothing beside it, nothing
from a network."""

import json
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined


def render(folder: Path, data: Any, base: Path | None = None, **values: Any) -> str:
    """The page. `page.html` places `data`, `style` and `script` as they are, and `values` escaped.

    base: another such folder, whose page this one extends (`{% extends "base/page.html" %}`); its style and script come
          first.
    """
    folders = [folder] if base is None else [base, folder]
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder), PrefixLoader({"base": FileSystemLoader(folders[0])})]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html").render(
        # no "<" in the data, so that nothing in a document can end the script element
        data=json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        style="".join((each / "style.css").read_text(encoding="utf-8") for each in folders),
        script="".join((each / "viewer.js").read_text(encoding="utf-8") for each in folders),
        **values,
    )
