"""Evaluation: metrics, intervals and thresholds in plain NumPy and SciPy."""
