"""What makes a score fair: the leak audit, checks of folds, held-out labels."""
