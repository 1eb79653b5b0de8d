"""The plot of the benchmark's results, if matplotlib is installed (pip install 'docre[plots]')."""

from pathlib import Path
from typing import Any

SIDES = {"reference": "reference", "same_allocator": "reference, same allocator", "fast": "fast path"}


def plot(results: dict[str, Any], path: Path) -> bool:
    """Plot time and memory by encoder, and the scaling sweeps, into a PNG file. Returns False without matplotlib."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return False
    encoders, sweeps = results["encoders"], results.get("scaling", {})
    figure, axes = pyplot.subplots(1, 2 + len(sweeps), figsize=(4.2 * (2 + len(sweeps)), 3.6), squeeze=False)
    comparison, memory = axes[0, :2]
    names = [Path(name).parts[0].removeprefix("package:") for name in encoders]
    width, middle = 1 / (2 * len(SIDES) + 2), (len(SIDES) - 1) / 2
    for offset, (key, label) in enumerate(SIDES.items()):
        for work, shift in (("training", 0), ("evaluation", len(SIDES) + 0.5)):
            positions = [i + (offset + shift) * width for i in range(len(names))]
            heights = [e[work][key] / e[work]["documents"] for e in encoders.values()]
            comparison.bar(positions, heights, width * 0.9, color=f"C{offset}", label=None if shift else label)
        positions = [i + offset * width for i in range(len(names))]
        heights = [e["training"][f"{key}_megabytes"] for e in encoders.values()]
        memory.bar(positions, heights, width * 0.9, color=f"C{offset}")
    comparison.set_xticks([i + (len(SIDES) - 0.25) * width for i in range(len(names))], names)
    comparison.set_ylabel("seconds a document")
    comparison.set_title("training, evaluation", fontsize="medium")
    comparison.margins(y=0.4)  # room for the legend
    comparison.legend(fontsize="small", loc="upper left")
    memory.set_xticks([i + middle * width for i in range(len(names))], names)
    memory.set_ylabel("peak MB of a training step")
    for axis, (name, points) in zip(axes[0, 2:], sweeps.items(), strict=True):
        x = [p["all_pairs"] if name == "entities" else p["all_tokens"] for p in points]
        axis.plot(x, [p["seconds"] for p in points], "o-", label="seconds")
        axis.set_xlabel(f"{'pairs' if name == 'entities' else 'tokens'} of the batch (sweep over {name})")
        axis.set_ylabel("seconds a training step")
        twin = axis.twinx()
        twin.plot(x, [p["megabytes"] for p in points], "s--", color="C1")
        twin.set_ylabel("peak MB (dashed)")
        axis.set_ylim(bottom=0)
        twin.set_ylim(bottom=0)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True
