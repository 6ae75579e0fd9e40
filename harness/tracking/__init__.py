"""Tracking: the evidence store and its MLflow view."""
