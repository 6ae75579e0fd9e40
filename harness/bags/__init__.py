"""Bags: packed batches, the sources that a method reads, sampling and loading."""
