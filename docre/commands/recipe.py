"""docre recipe FILE [key=value ...]: train in stages, each of which may take weights or targets from earlier ones."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docre.training.stages import Stage


def main(arguments: list[str]) -> None:
    """Run the stages of a recipe that are not finished, or show what would run and what it costs."""
    parser = argparse.ArgumentParser(
        prog="docre recipe",
        description="Run the stages of a recipe, each in a folder of its own in the recipe's `output`. Finished stages "
        "are not run again, and an interrupted one resumes when the command is given again. If a stage has changed, it "
        "and those that take from it are stale, which is an error without --update.",
    )
    parser.add_argument("recipe", metavar="FILE", help="the YAML file, as in configs/recipes/")
    parser.add_argument("--plan", action="store_true", help="only show what would run, and what it costs")
    parser.add_argument("--stage", metavar="NAME", help="run only this stage and those that it takes from")
    parser.add_argument("--update", action="store_true", help="run stale stages again, and delete their old results")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="change a key of every stage's config, or `output`"
    )
    options = parser.parse_intermixed_args(arguments)

    from docre.training.recipe import read_recipe
    from docre.training.stages import run_stages

    stages = read_recipe(options.recipe, options.overrides).up_to(options.stage)
    if options.plan:
        print("\n".join(plan(stages)))
        return
    for _ in run_stages(stages, "--update runs these stages again", options.update):
        pass


def plan(stages: Sequence["Stage"]) -> list[str]:
    """For each stage: how far it is, what it takes from which stages, what it does, and what that costs."""
    from docre.training.stages import standings

    lines = []
    for stage, standing in zip(stages, standings(stages).values(), strict=True):
        lines.append(f"{stage.name}: {standing}")
        if stage.takes:
            lines.append(f"    takes from {', '.join(other.name for other in stage.takes)}")
        lines += [f"    {line}" for line in stage.plan(stages)]
    return lines
