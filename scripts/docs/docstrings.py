"""Docstrings as Markdown: their formulas are drawn, and their lists of fields become lists."""

import inspect
import re
from collections.abc import Iterator

from scripts.docs.formulas import is_formula, to_latex

FIELD = re.compile(r"`?([A-Za-z_.]\w*(?:, [A-Za-z_.]\w*)*)`?: +(\S.*)")
LABEL = re.compile(
    r"(?:Parameters|Reference|Siblings|Repairs|Wanted|Raises|Published\b[\w ]*): |Use it |Memory grows |Published, "
)


def to_markdown(docstring: str, draw: bool = True) -> str:
    """The Markdown of a docstring. draw: whether formulas are drawn; otherwise they stay in plain characters."""
    summary, *rest = paragraphs(docstring) or [[]]
    return "\n\n".join([escaped(summary), *(block for lines in rest for block in blocks(lines, draw))]) + "\n"


def paragraphs(docstring: str) -> list[list[str]]:
    """The lines of each paragraph; a line such as `Reference: ...` begins one, and a sentence that introduces indented
    lines ends before them."""
    found: list[list[str]] = []
    current: list[str] = []
    for line in [*inspect.cleandoc(docstring).splitlines(), ""]:
        indented = line.startswith("    ")
        starts = LABEL.match(line) or (current and indented and not current[-1].startswith("    ") and is_formula(line))
        if current and (not line.strip() or starts):
            found.append(current)
            current = []
        if line.strip():
            current.append(line)
    return found


def blocks(lines: list[str], draw: bool) -> Iterator[str]:
    """A paragraph as Markdown."""
    if draw and is_formula(lines[0]):
        yield f"$$\n{to_latex(chr(10).join(line.strip() for line in lines))}\n$$"
    elif is_formula(lines[0]) or all(line.startswith("    ") for line in lines):
        yield "\n".join(["```text", *inspect.cleandoc("\n" + "\n".join(lines)).splitlines(), "```"])
    elif is_list(lines):
        yield "\n".join(items(lines))
    else:
        text = escaped(lines)
        label = re.match(r"(Parameters|Reference|Siblings|Repairs|Wanted|Raises|Published\b[\w ]*):", text)
        yield f"**{label[1]}:**{text[label.end() :]}" if label else text


def escaped(lines: list[str]) -> str:
    """The lines as text, without what Markdown takes for a link: [pairs] [outputs]."""
    return "\n".join(lines).replace("] [", "] &#91;")


def is_list(lines: list[str]) -> bool:
    """Whether the paragraph lists fields: `name: text`, with further lines of a text indented."""
    fields = [FIELD.fullmatch(line) is not None for line in lines]
    rest = zip(lines, fields, strict=True)
    return fields[0] and not LABEL.match(lines[0]) and all(field or line.startswith("    ") for line, field in rest)


def items(lines: list[str]) -> Iterator[str]:
    """The lines of a Markdown list."""
    for line in lines:
        field = FIELD.fullmatch(line)
        yield f"- `{field[1]}`: {field[2]}" if field else f"    {line.strip()}"
