"""Training: the loop, the optimiser, the log."""
