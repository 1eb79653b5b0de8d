"""For the API reference: docstrings as docre writes them become Markdown."""

from typing import Any

from griffe import Extension, Object

from scripts.docs.docstrings import to_markdown
from scripts.docs.reference import public_names

DRAWN = public_names()


class DocreDocstrings(Extension):
    """Rewrites every docstring before it is rendered. The formulas of what is registered are drawn."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value, obj.path in DRAWN)
