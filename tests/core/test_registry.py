"""docre/core/registry.py: the registries of readers, models and losses."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from docre.core.registry import Registry
from docre.errors import DocreError
from docre.losses import LOSSES, build


class Shape:
    def __init__(self, sides: int, size: Annotated[float, Field(gt=0)] = 1.0, names: list[str] | None = None) -> None:
        self.given = (sides, size, names)


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[Shape]]:
    """A registry of shapes, for a package that exists only in this test."""
    package = tmp_path / "shape_package"
    package.mkdir()
    (package / "__init__.py").write_text("loaded = []\n")
    (package / "__main__.py").write_text("raise RuntimeError('commands are not for importing')\n")
    (package / "round.py").write_text("import shape_package\nshape_package.loaded.append('round')\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry: Registry[Shape] = Registry("shape", "shape_package")
    registry.register("polygon")(Shape)
    yield registry
    for name in [name for name in sys.modules if name.partition(".")[0] == "shape_package"]:
        del sys.modules[name]


def test_builds_with_context_and_parameters(shapes: Registry[Shape]) -> None:
    assert shapes.build("polygon", {}, 4).given == (4, 1.0, None)
    assert shapes.build("polygon", {"size": 2, "names": ["square"]}, 4).given == (4, 2, ["square"])
    assert shapes.build("polygon", {"sides": 3}).given == (3, 1.0, None)


def test_finds_the_modules_of_its_package(shapes: Registry[Shape]) -> None:
    assert "shape_package.round" not in sys.modules
    assert list(shapes) == ["polygon"]
    assert sys.modules["shape_package"].loaded == ["round"]


def test_unknown_name_lists_the_known_ones(shapes: Registry[Shape]) -> None:
    shapes.register("arrow")(Shape)
    with pytest.raises(
        DocreError, match=r"^unknown shape 'star': expected one of arrow, polygon \(or that of a plugin\)$"
    ):
        shapes["star"]
    with pytest.raises(DocreError, match=r"^unknown loss 'ALT': expected one of afl, .*, atl, .*ssr_pu"):
        build("ALT", 3)


def test_a_name_is_registered_once(shapes: Registry[Shape]) -> None:
    class Other(Shape):
        pass

    with pytest.raises(DocreError, match=r"shape 'polygon' is registered twice: .*test_registry and .*test_registry"):
        shapes.register("polygon")(Other)
    assert shapes["polygon"] is Shape
    shapes.register("polygon")(Shape)  # as when a module is loaded again


def test_unknown_parameter_is_named_with_the_valid_ones(shapes: Registry[Shape]) -> None:
    with pytest.raises(DocreError, match=r"^shape 'polygon' has no parameter 'color' \(it takes: size, names\)$"):
        shapes.build("polygon", {"color": 1}, 4)
    with pytest.raises(DocreError, match="has no parameter 'sides'"):
        shapes.build("polygon", {"sides": 4}, 4)
    with pytest.raises(DocreError, match=r"^loss 'atl' has no parameter 'alpha' \(it takes: none\)$"):
        build("atl", 3, alpha=1.0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"size": "2"}, "^shape 'polygon', parameter 'size': .*number, got '2'$"),
        ({"size": True}, "^shape 'polygon', parameter 'size': .*number, got True$"),
        ({"size": 0}, "^shape 'polygon', parameter 'size': .*greater than 0, got 0$"),
        ({"names": ["a", 2]}, r"^shape 'polygon', parameter 'names.1': .*string, got 2$"),
    ],
)
def test_mistyped_parameter_is_named(shapes: Registry[Shape], parameters: dict[str, object], message: str) -> None:
    with pytest.raises(DocreError, match=message):
        shapes.build("polygon", parameters, 4)


def test_missing_parameter_is_named(shapes: Registry[Shape]) -> None:
    with pytest.raises(DocreError, match=r"^shape 'polygon', parameter 'sides': Field required$"):
        shapes.build("polygon", {})


def test_check_makes_nothing(shapes: Registry[Shape]) -> None:
    def explode(sides: int, fuse: int = 3) -> Shape:
        raise AssertionError

    shapes.register("bomb")(explode)
    assert shapes.check("bomb", {"fuse": 4}, skip=1) == {"fuse": 4}
    with pytest.raises(DocreError, match="parameter 'fuse'"):
        shapes.check("bomb", {"fuse": "long"}, skip=1)


def test_names_are_sorted() -> None:
    assert list(LOSSES) == sorted(LOSSES)
