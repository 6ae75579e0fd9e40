"""Explanations: attention drawn over slides."""
