"""Plots, with matplotlib (optional: pip install 'docre[plots]'), readable by color-blind people: the colors are those
of Okabe and Ito (2008), and line style and marker differ too."""

import io
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docre.analysis.curves import PrecisionRecall, Reliability
from docre.analysis.offsets import Offsets
from docre.core.files import write_atomically
from docre.errors import DocreError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINES = ("-", "--", "-.", ":")
MARKERS = "osD^vP"
NAME_WIDTH = 80  # characters of a line in the legend
INK = "#2b2b2b"  # of text and axes; in a page it becomes the page's own text color


def available() -> bool:
    """Whether matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def require() -> None:
    """Raises DocreError where matplotlib is not installed."""
    if not available():
        raise DocreError("plots need matplotlib, which is not installed: pip install 'docre[plots]'")


def offset_plot(found: Mapping[str, Offsets]) -> "Figure":
    """The density of the Relative Offset of each model."""
    figure, axes = _canvas("Relative Offset of the threshold", "density")
    for i, (name, offsets) in enumerate(found.items()):
        std = "" if offsets.std is None else f"  Std(RO) {offsets.std:.3f}"
        axes.stairs(offsets.density, offsets.edges, linewidth=1.8, **_look(i, name + std))
    for place, text in ((0, "negatives"), (1, "positives")):
        axes.axvline(place, color=INK, linewidth=0.8, alpha=0.5)
        axes.text(place, 1.01, f"mean of {text}", transform=axes.get_xaxis_transform(), ha="center", color=INK, size=8)
    return _finish(figure, axes)


def precision_recall_plot(found: Mapping[str, PrecisionRecall]) -> "Figure":
    """Precision against recall of each model, with the point where it operates."""
    figure, axes = _canvas("recall", "precision", (0, 1), (0, 1.02))
    for i, (name, curve) in enumerate(found.items()):
        label = f"{name}  AP {curve.average_precision:.3f}"
        axes.plot(curve.recall, curve.precision, linewidth=1.8, **_look(i, label))
        if curve.operating_precision is not None:
            marker = MARKERS[i % len(MARKERS)]
            axes.plot([curve.operating_recall], [curve.operating_precision], marker, color=COLOURS[i % len(COLOURS)])
    return _finish(figure, axes)


def reliability_plot(found: Mapping[str, Reliability]) -> "Figure":
    """The share of triples that hold against sigmoid(margin)."""
    figure, axes = _canvas("sigmoid(margin), mean of the bin", "share that holds", (0, 1), (0, 1))
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, alpha=0.5)
    for i, (name, bins) in enumerate(found.items()):
        label = f"{name}  ECE {bins.error:.4f}"
        axes.plot(bins.probability, bins.share, marker=MARKERS[i % len(MARKERS)], **_look(i, label))
    return _finish(figure, axes)


def line_plot(lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], x: str, y: str) -> "Figure":
    """Some lines, each {name: (x values, y values)}; x are whole numbers."""
    figure, axes = _canvas(x, y)
    axes.locator_params(axis="x", integer=True)
    for i, (name, (xs, ys)) in enumerate(lines.items()):
        axes.plot(xs, ys, marker=MARKERS[i % len(MARKERS)], markersize=4, **_look(i, name))
    return _finish(figure, axes)


def error_bar_plot(lines: Mapping[str, Sequence[tuple[Any, float, float | None]]], x: str, y: str) -> "Figure":
    """Means with error bars, each {name: [(x, mean, standard deviation or None)]}; x are numbers or names."""
    figure, axes = _canvas(x, y)
    for i, (name, points) in enumerate(lines.items()):
        places, means, spreads = zip(*points, strict=True)
        bars = [0.0 if spread is None else spread for spread in spreads]
        marker = MARKERS[i % len(MARKERS)]
        axes.errorbar(places, means, yerr=bars, marker=marker, capsize=4, **_look(i, name))
    return _finish(figure, axes)


def save_png(figure: "Figure", path: Path) -> None:
    """Write a figure as a PNG file, whole or not at all."""
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", dpi=150))


def to_svg(figure: "Figure", title: str) -> str:
    """A figure as an <svg> element for a page: text and axes take the page's color, and no name in it meets one of
    another figure with another title."""
    from matplotlib import rc_context

    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    written = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(written, format="svg", metadata={"Date": None})
    text = written.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    prefix = re.sub(r"\W+", "-", title)
    text = re.sub(r'(id="|"#|\(#)', rf"\1{prefix}-", text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)


def _look(i: int, label: str) -> dict[str, Any]:
    """How line `i` looks. The space before its label, which `_finish` takes off, is for one that begins with "_": such
    a line would not be in the legend."""
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": LINES[i % len(LINES)], "label": f" {label}"}


def _canvas(
    x: str, y: str, x_range: tuple[float, float] | None = None, y_range: tuple[float, float] | None = None
) -> "tuple[Figure, Axes]":
    require()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    if x_range:
        axes.set_xlim(*x_range)
    if y_range:
        axes.set_ylim(*y_range)
    axes.tick_params(colors=INK)
    axes.grid(color=INK, alpha=0.12)
    for spine in axes.spines.values():
        spine.set_edgecolor(INK)
    return figure, axes


def _finish(figure: "Figure", axes: "Axes") -> "Figure":
    """Add the legend, below the plot where it covers nothing; long names are wrapped, and a "$" in one is a "$"."""
    if axes.get_legend_handles_labels()[0]:
        legend = figure.legend(loc="outside lower left", frameon=False, labelcolor=INK, fontsize=8)
        for text in legend.get_texts():
            text.set_parse_math(False)
            text.set_text(textwrap.fill(text.get_text().strip(), NAME_WIDTH))
    return figure
