"""Training: the one loop, checkpoints, and the shared method for bags."""
