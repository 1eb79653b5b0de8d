"""Training: a run from config to best checkpoint, its loop and log, and the saved state to resume from."""
