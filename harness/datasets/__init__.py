"""Datasets: cards, label tables, splits, and where their files are."""
