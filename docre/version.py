"""The version of docre, which is given here and nowhere else."""

VERSION = "0.2.0"
