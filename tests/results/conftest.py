"""Fixtures of the report tests."""

from support.mlflow_template import empty_mlflow

__all__ = ["empty_mlflow"]
