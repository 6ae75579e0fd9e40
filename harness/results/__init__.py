"""Stored evidence and all that is made of it: tables, comparisons, figures, the MLflow view."""
