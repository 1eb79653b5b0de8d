"""docre train --config FILE [key=value ...]: train a model, keep the best checkpoint, and evaluate it."""

import argparse

from docre.config.loading import describe_keys, load_config


def main(arguments: list[str]) -> None:
    """Train a model as a config says, or resume a run that was interrupted."""
    keys = "\n".join(f"  {key} (default: {default})\n      {text}" for key, default, text in describe_keys())
    parser = argparse.ArgumentParser(
        prog="docre train",
        description="Train a model as a YAML file says, keep the checkpoint with the best dev F1, evaluate it on the "
        "test set. An interrupted run resumes from its last saved state when the command is given again.",
        epilog=f"keys of the config, each of which can be given as key=value:\n{keys}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="the YAML file, as in configs/")
    parser.add_argument(
        "--restart", action="store_true", help="start over, and delete what the folder of the run contains"
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change a key, as in loss.alpha=6")
    options = parser.parse_args(arguments)
    config = load_config(options.config, options.overrides)

    from docre.training.launch import train

    train(config, options.restart)
