"""docre models: list the models with their parameters and references."""

import argparse
from typing import cast

from docre.config.options import parse_with_plugins


def main(arguments: list[str]) -> None:
    """Print every registered model with its parameters and reference."""
    parser = argparse.ArgumentParser(
        prog="docre models", description="List the models with their parameters and references."
    )
    parse_with_plugins(parser, arguments)

    from docre.core.registry import describe
    from docre.models import MODELS, Model, leading_parameters

    for name in MODELS:
        model = cast(type[Model], MODELS[name])
        groups = ", ".join(model.rate_groups) or "none"
        print(f"{describe(name, model, leading_parameters(name))}\n    rate groups (training.group_lr): {groups}\n")
