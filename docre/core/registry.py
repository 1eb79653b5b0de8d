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
from typing import Any, Generic, TypeVar, get_args, get_origin

from pydantic import ConfigDict, PydanticUserError, ValidationError, create_model

from docre.errors import DocreError, first_line

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps names to classes or functions that return a T.

    kind:    what an entry is called in messages ("loss").
    package: the package whose modules register the entries ("docre.losses").
    base:    of what every entry is a subclass, or an instance; None for functions.
    """

    def __init__(self, kind: str, package: str, base: type | None = None) -> None:
        self.kind = kind
        self.package = package
        self.base = base
        self._entries: dict[str, Callable[..., T]] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[Callable[..., Any]], Any]:
        """Decorator that registers a class or function as `name`. Raises DocreError if the name is taken, or if it is
        not of the registry's base."""

        def add(entry: Callable[..., T]) -> Callable[..., T]:
            fits: Callable[[Any, type], bool] = issubclass if isinstance(entry, type) else isinstance
            if self.base is not None and not fits(entry, self.base):
                where = f"{getattr(entry, '__module__', '?')}.{getattr(entry, '__qualname__', entry)}"
                raise DocreError(f"{self.kind} {name!r}: {where} is no {self.base.__module__}.{self.base.__name__}")
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
            known = ", ".join(sorted(self._entries))
            raise DocreError(f"unknown {self.kind} {name!r}: expected one of {known} (or that of a plugin)")
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
        them as validated: any value where there is no annotation, and a list where it is a tuple, which YAML does not
        have. The entry is not called; raises DocreError as `build` does."""
        known = {p.name: p for p in parameters_of(self[name], skip)}
        fields: dict[str, Any] = {
            key: (Any if p.annotation is p.empty else p.annotation, ... if p.default is p.empty else p.default)
            for key, p in known.items()
        }
        parameters = {
            key: tuple(value) if isinstance(value, list) and key in known and is_tuple(known[key]) else value
            for key, value in parameters.items()
        }
        try:
            model = create_model(name, __config__=ConfigDict(extra="forbid", strict=True), **fields)
        except PydanticUserError as error:
            raise DocreError(
                f"{self.kind} {name!r}: its parameters have types that a config cannot give: {first_line(error)}"
            ) from None
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
        self._loaded = True  # what is imported may look something up
        try:
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__):
                if not module.name.startswith("__"):
                    importlib.import_module(f"{self.package}.{module.name}")
        except BaseException:
            self._loaded = False
            raise


def parameters_of(entry: Callable[..., Any], skip: int) -> list[inspect.Parameter]:
    """The parameters of a registry's entry that can be given by name, without its first `skip` parameters."""
    try:
        signature = inspect.signature(entry, eval_str=True)
    except NameError:  # names that only type checkers import
        signature = inspect.signature(entry)
    parameters = list(signature.parameters.values())[skip:]
    return [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def is_tuple(parameter: inspect.Parameter) -> bool:
    """Whether a parameter is annotated as a tuple, or as one or None."""
    kinds = (parameter.annotation, *get_args(parameter.annotation))
    return any(kind is tuple or get_origin(kind) is tuple for kind in kinds)


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
