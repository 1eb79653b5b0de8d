"""Using a trained model: prediction, checkpoints, calibration, and the analysis of its margins and attention."""
