"""docre train --config FILE [key=value ...]: train a model, keep the best checkpoint, and evaluate it."""

import argparse
from typing import Any

from docre.config.entities import EntityConfig
from docre.config.loading import (
    apply_overrides,
    describe_keys,
    import_plugins,
    load_config,
    read_yaml,
    validate_as,
)
from docre.config.shipped import find_config


def main(arguments: list[str]) -> None:
    """Train a model as a config says, or resume a run that was interrupted."""
    keys = "\n".join(f"  {key} (default: {default})\n      {text}" for key, default, text in describe_keys())
    parser = argparse.ArgumentParser(
        prog="docre train",
        description="Train a model as a YAML file says, keep the checkpoint with the best dev F1, evaluate it on the "
        "test set. With `task: entities` the file describes a model that finds the entities of plain text (keys: "
        "configs/entities_redocred_bert.yaml). An interrupted run resumes from its last saved state when the command "
        "is given again.",
        epilog=f"keys of the config, each of which can be given as key=value:\n{keys}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="the YAML file, as in configs/")
    parser.add_argument(
        "--restart", action="store_true", help="start over, and delete the results and states of the run in its folder"
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change a key, as in loss.alpha=6")
    options = parser.parse_args(arguments)
    path = find_config(options.config)
    values = apply_overrides(read_yaml(path), options.overrides)
    if "task" in values:
        train_entities(values, str(path), options.restart)
        return
    config = load_config(path, options.overrides)

    from docre.training.launch import train

    train(config, options.restart)


def train_entities(values: dict[str, Any], path: str, restart: bool) -> None:
    """Train an entity model, or resume a run that was interrupted. `values`: of its config, from the file `path`."""
    config = validate_as(EntityConfig, values, path)
    import_plugins(config.plugins, f"{path}: plugins")

    from docre.training.entities.launch import train

    train(config, restart)
