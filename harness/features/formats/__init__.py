"""Readers of the feature files that other tools write: one module per format, told apart by content."""
