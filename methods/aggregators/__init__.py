"""Aggregators as torch modules: packed bag features in, logits and attention out."""
