"""Drawn figures, each as the bytes of a PNG."""
