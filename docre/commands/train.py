"""docre train --config FILE [key=value ...]: train, keep the best checkpoint, evaluate it."""

import argparse

from docre.config.loading import describe_keys, load_config


def main(arguments: list[str]) -> None:
    """Train as a config says."""
    keys = "\n".join(f"  {key} (default: {default})\n      {text}" for key, default, text in describe_keys())
    parser = argparse.ArgumentParser(
        prog="docre train",
        description="Train as a YAML file says, keep the best checkpoint by dev F1, run it on the test set. A run that "
        "was interrupted goes on from its last saved state when it is started again.",
        epilog=f"keys of the config, each of which can be given as key=value:\n{keys}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="the YAML file, as in configs/")
    parser.add_argument("--restart", action="store_true", help="begin anew, and remove what the folder of the run has")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change a key, as in loss.alpha=6")
    options = parser.parse_args(arguments)
    config = load_config(options.config, options.overrides)

    from docre.training.launch import train

    train(config, options.restart)
