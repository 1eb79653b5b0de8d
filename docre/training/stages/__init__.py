"""Stages: pieces of work that are done once, each in a folder of its own. One kind of stage per file.

A sweep, the runs of scripts/reproduce and a recipe are lists of stages (see `run_stages`).
"""

from docre.training.stages.base import STAGES, Place, Stage, Standing
from docre.training.stages.running import run_stages, standings

__all__ = ["STAGES", "Place", "Stage", "Standing", "run_stages", "standings"]
