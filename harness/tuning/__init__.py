"""Tuning: which hyper-parameters to try next, what came of those that were tried, and which are the best."""
