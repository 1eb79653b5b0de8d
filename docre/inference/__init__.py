"""A model ready for use: prediction, checkpoints, and looking into it."""
