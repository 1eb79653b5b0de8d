"""Training: the loop, the optimizer, the log."""
