"""Synthetic slides: pyramidal TIFFs drawn from a seed in the layout of a public release."""
