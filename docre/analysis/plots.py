"""Plots with matplotlib, which is optional: pip install 'docre[plots]'.

Lines can be told apart by color-blind readers: the colors are those of Okabe and Ito (2008), and the line styles and
markers differ too. Each function takes its data by the name of the model (or run) that it belongs to.
"""

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

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINES = ("-", "--", "-.", ":")
MARKERS = "osD^vP"
NAME_WIDTH = 80  # characters in a line of the legend
INK = "#2b2b2b"  # color of text and axes; in an HTML page it becomes the text color of the page


def available() -> bool:
    """Whether matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def require_matplotlib() -> None:
    """Raises DocreError if matplotlib is not installed."""
    if not available():
        raise DocreError("plots need matplotlib, which is not installed: pip install 'docre[plots]'")


def offset_plot(models: Mapping[str, Offsets]) -> "Figure":
    """The distribution of the Relative Offset of each model."""
    figure, axes = _canvas("Relative Offset of the threshold", "density")
    for i, (name, offsets) in enumerate(models.items()):
        std = "" if offsets.std is None else f"  Std(RO) {offsets.std:.3f}"
        axes.stairs(offsets.density, offsets.edges, linewidth=1.8, **_line_style(i, name + std))
    for x, text in ((0, "negatives"), (1, "positives")):
        axes.axvline(x, color=INK, linewidth=0.8, alpha=0.5)
        axes.text(x, 1.01, f"mean of {text}", transform=axes.get_xaxis_transform(), ha="center", color=INK, size=8)
    return _finish(figure, axes)


def precision_recall_plot(models: Mapping[str, PrecisionRecall]) -> "Figure":
    """The precision-recall curve of each model, with the point of its own decisions."""
    figure, axes = _canvas("recall", "precision", (0, 1), (0, 1.02))
    for i, (name, curve) in enumerate(models.items()):
        label = f"{name}  AP {curve.average_precision:.3f}"
        axes.plot(curve.recall, curve.precision, linewidth=1.8, **_line_style(i, label))
        if curve.operating_precision is not None:
            marker = MARKERS[i % len(MARKERS)]
            axes.plot([curve.operating_recall], [curve.operating_precision], marker, color=COLORS[i % len(COLORS)])
    return _finish(figure, axes)


def reliability_plot(models: Mapping[str, Reliability]) -> "Figure":
    """Reliability diagram: in each bin of sigmoid(margin), the share of the triples that hold."""
    figure, axes = _canvas("sigmoid(margin), mean of the bin", "share that holds", (0, 1), (0, 1))
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, alpha=0.5)
    for i, (name, bins) in enumerate(models.items()):
        label = f"{name}  ECE {bins.error:.4f}"
        axes.plot(bins.probability, bins.share, marker=MARKERS[i % len(MARKERS)], **_line_style(i, label))
    return _finish(figure, axes)


def line_plot(lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], x: str, y: str) -> "Figure":
    """Lines, given as {name: (x values, y values)}, with ticks at whole x."""
    figure, axes = _canvas(x, y)
    axes.locator_params(axis="x", integer=True)
    for i, (name, (xs, ys)) in enumerate(lines.items()):
        axes.plot(xs, ys, marker=MARKERS[i % len(MARKERS)], markersize=4, **_line_style(i, name))
    return _finish(figure, axes)


def error_bar_plot(lines: Mapping[str, Sequence[tuple[Any, float, float | None]]], x: str, y: str) -> "Figure":
    """Means with error bars, given as {name: [(x, mean, standard deviation or None)]}; x are numbers or labels."""
    figure, axes = _canvas(x, y)
    for i, (name, points) in enumerate(lines.items()):
        xs, means, spreads = zip(*points, strict=True)
        bars = [0.0 if spread is None else spread for spread in spreads]
        marker = MARKERS[i % len(MARKERS)]
        axes.errorbar(xs, means, yerr=bars, marker=marker, capsize=4, **_line_style(i, name))
    return _finish(figure, axes)


def save_png(figure: "Figure", path: Path) -> None:
    """Write a figure to a PNG file, completely or not at all."""
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", dpi=150))


def to_svg(figure: "Figure", title: str) -> str:
    """A figure as an <svg> element for an HTML page. Text and axes take the color of the page's text; its element ids
    begin with the title, so that those of several figures do not clash."""
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


def seeds_plot(models: Mapping[str, Sequence[float]]) -> "Figure":
    """The F1 of each run of each model, and their mean."""
    figure, axes = _canvas("F1, %", "")
    for i, values in enumerate(models.values()):
        percent = [100 * value for value in values]
        color = COLORS[i % len(COLORS)]
        axes.plot(percent, [i] * len(percent), MARKERS[i % len(MARKERS)], color=color, markersize=5, alpha=0.7)
        axes.plot([sum(percent) / len(percent)], [i], "|", color=color, markersize=18, markeredgewidth=2)
    axes.set_yticks(range(len(models)), [textwrap.fill(name, 30) for name in models], parse_math=False)
    axes.set_ylim(len(models) - 0.5, -0.5)
    return _finish(figure, axes)


def _line_style(i: int, label: str) -> dict[str, Any]:
    """Color, style and label of line number `i`. matplotlib leaves labels that begin with "_" out of the legend, so a
    space is put before the label, which `_finish` removes."""
    return {"color": COLORS[i % len(COLORS)], "linestyle": LINES[i % len(LINES)], "label": f" {label}"}


def _canvas(
    x: str, y: str, x_range: tuple[float, float] | None = None, y_range: tuple[float, float] | None = None
) -> "tuple[Figure, Axes]":
    require_matplotlib()
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
    """Add a legend below the plot. Long names are wrapped, and "$" in a name is printed, not read as mathematics."""
    if axes.get_legend_handles_labels()[0]:
        legend = figure.legend(loc="outside lower left", frameon=False, labelcolor=INK, fontsize=8)
        for text in legend.get_texts():
            text.set_parse_math(False)
            text.set_text(textwrap.fill(text.get_text().strip(), NAME_WIDTH))
    return figure
