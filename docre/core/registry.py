"""Registries: the losses, models, terms, readers, inferences, taggers, exporters, forms of answers and kinds of stage
that are selected by name.

Each registry belongs to one package. The first lookup imports all modules of that package, and each module registers
the classes or functions that it defines: a new loss, model or reader is one new file. Modules outside docre register
theirs when they are imported; `plugins:` in a config lists such modules.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Collection, Iterator
from typing import Any, Generic, TypeVar

from pydantic import ConfigDict, ValidationError, create_model

from docre.errors import DocreError

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps names to classes or functions that return a T.

    kind:    what an entry is called in messages ("loss").
    package: the package whose modules register the entries ("docre.losses").
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, Callable[..., T]] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[Callable[..., Any]], Any]:
        """Decorator that registers a class or function as `name`. Raises DocreError if the name is taken."""

        def add(entry: Callable[..., T]) -> Callable[..., T]:
            known = self._entries.get(name)
            if known is not None and (known.__module__, known.__qualname__) != (entry.__module__, entry.__qualname__):
                raise DocreError(f"{self.kind} {name!r} is registered twice: {known.__module__} and {entry.__module__}")
            self._entries[name] = entry
            return entry

        return add

    def unregister(self, name: str) -> None:
        """Remove the entry called `name`."""
        del self._entries[name]

    def __getitem__(self, name: str) -> Callable[..., T]:
        """The entry called `name`. Raises DocreError, with a list of all names, if there is none."""
        self._load()
        if name not in self._entries:
            raise DocreError(f"unknown {self.kind} {name!r}: expected one of {', '.join(sorted(self._entries))}")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries

    def __len__(self) -> int:
        self._load()
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries))

    def build(self, name: str, parameters: dict[str, Any], *context: Any) -> T:
        """Call the entry `name` with the positional arguments `context` and the keyword arguments `parameters`.

        The parameters are checked first: DocreError names one that is unknown, missing or of the wrong type.
        """
        entry = self[name]
        return entry(*context, **self.check(name, parameters, skip=len(context)))

    def check(self, name: str, parameters: dict[str, Any], skip: int = 0) -> dict[str, Any]:
        """Check `parameters` against the signature of the entry `name`, without its first `skip` parameters, and return
        them as validated. The entry is not called; raises DocreError as `build` does."""
        fields: dict[str, Any] = {
            p.name: (p.annotation, ... if p.default is p.empty else p.default) for p in parameters_of(self[name], skip)
        }
        model = create_model(name, __config__=ConfigDict(extra="forbid", strict=True), **fields)
        try:
            checked = model(**parameters)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                valid = ", ".join(fields) or "none"
                raise DocreError(f"{self.kind} {name!r} has no parameter {key!r} (it takes: {valid})") from None
            got = "" if first["type"] == "missing" else f", got {first['input']!r}"
            raise DocreError(f"{self.kind} {name!r}, parameter {key!r}: {first['msg']}{got}") from None
        return {key: getattr(checked, key) for key in parameters}

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.startswith("__"):
                importlib.import_module(f"{self.package}.{module.name}")


def parameters_of(entry: Callable[..., Any], skip: int) -> list[inspect.Parameter]:
    """The parameters of a registry's entry that can be given by name, without its first `skip` parameters."""
    parameters = list(inspect.signature(entry).parameters.values())[skip:]
    return [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def describe(name: str, entry: Any, skip: int, counted: Collection[str] = ()) -> str:
    """A summary of a registry's entry on three lines: the first sentence of its docstring, its parameters with their
    defaults, and its `reference`.

    skip:    number of leading parameters that docre passes, and a config does not.
    counted: parameters that are computed from the training data unless they are given.
    """
    described = []
    for parameter in parameters_of(entry, skip):
        if parameter.default is not parameter.empty:
            described.append(f"{parameter.name} = {parameter.default}")
        else:
            described.append(
                f"{parameter.name} ({'from the training data' if parameter.name in counted else 'required'})"
            )
    paragraph = " ".join((inspect.getdoc(entry) or "").partition("\n\n")[0].split())
    summary = paragraph.partition(". ")[0].rstrip(".:")  # a colon introduces the formula that follows
    return (
        f"{name}: {summary}.\n    parameters: {', '.join(described) or 'none'}\n    reference: {entry.reference or '-'}"
    )
