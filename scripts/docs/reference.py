"""The pages of the API reference: which modules are on which page, and which names have to be there."""

import importlib
import json
import pkgutil
from collections.abc import Iterator

import docre
from scripts.docs.entries import REGISTRIES

# The title of each page, and the modules or packages on it. Of a package all its modules are listed. Packages that are
# not named here have a page each.
PAGES = {
    "docre": ["docre"],
    "losses": ["docre.losses"],
    "models": ["docre.models"],
    "terms": ["docre.terms"],
    "readers": ["docre.data.readers"],
    "text": ["docre.text"],
    "graph": ["docre.extraction", "docre.graph"],
    "documents": ["docre.documents", "docre.tensors", "docre.segmentation", "docre.errors"],
}
PAGES |= {
    found.name: [f"docre.{found.name}"]
    for found in pkgutil.iter_modules(docre.__path__)
    if found.ispkg
    and found.name != "commands"
    and f"docre.{found.name}" not in {name for names in PAGES.values() for name in names}
}


def pages() -> Iterator[tuple[str, str]]:
    """The path and the Markdown of every page."""
    for title, names in PAGES.items():
        parts = [f"# {title}"]
        for name in modules(names):
            parts.append(f"::: {name}" + members(name))
        yield f"reference/{title}.md", "\n\n".join(parts) + "\n"


def modules(names: list[str]) -> Iterator[str]:
    """The modules of some packages, those of packages that have a page of their own left out."""
    own = {name for page in PAGES.values() for name in page} - set(names)
    for name in names:
        yield name
        module = importlib.import_module(name)
        if name == "docre" or not hasattr(module, "__path__"):
            continue
        for found in pkgutil.walk_packages(module.__path__, f"{name}."):
            if not any(f"{found.name}.".startswith(f"{other}.") for other in own if other.startswith(f"{name}.")):
                yield found.name


def members(name: str) -> str:
    """The option that lists the members of a package: those that it defines itself, as others are with their modules.
    `docre` has all that it exports."""
    module = importlib.import_module(name)
    if not hasattr(module, "__path__"):
        return ""
    own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == name]
    listed = module.__all__ if name == "docre" else [key for key in own if not key.startswith("_")]
    return f"\n    options:\n      members: {json.dumps(listed) if listed else 'false'}"


def public_names() -> set[str]:
    """What has to be documented: all that `docre` exports, and every entry of every registry that is docre's own (a
    plugin registers others)."""
    entries = (registry[name] for registry in REGISTRIES.values() for name in registry)
    registered = {f"{entry.__module__}.{entry.__qualname__}" for entry in entries}
    return {f"docre.{name}" for name in docre.__all__} | {name for name in registered if name.startswith("docre.")}
