"""List the losses: name, one line, parameters with their defaults, reference.

python -m docre.losses
"""

import argparse
import inspect

from docre.cli import run
from docre.losses import LOSSES, loss_class
from docre.tensors import LabelStatistics


def main(arguments: list[str]) -> None:
    """The command: prints every registered loss."""
    parser = argparse.ArgumentParser(prog="python -m docre.losses", description="List the losses.")
    parser.parse_args(arguments)
    print("\n\n".join(describe(name) for name in LOSSES))


def describe(name: str) -> str:
    """What there is to know of one loss before reading its docstring, on three lines."""
    loss = loss_class(name)
    counted = loss.from_training_data(LabelStatistics(pairs=2, positives=(1,)))
    described = []
    for parameter in list(inspect.signature(loss).parameters.values())[1:]:
        if parameter.default is not parameter.empty:
            described.append(f"{parameter.name} = {parameter.default}")
        else:
            described.append(
                f"{parameter.name} ({'from the training data' if parameter.name in counted else 'required'})"
            )
    summary = inspect.getdoc(loss) or ""
    return (
        f"{name}: {summary.partition(chr(10))[0]}\n"
        f"    parameters: {', '.join(described) or 'none'}\n"
        f"    reference: {loss.reference}"
    )


if __name__ == "__main__":
    run(main)
