"""Launchers: where units run."""
