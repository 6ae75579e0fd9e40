"""Slide ids from the names of feature files."""

from __future__ import annotations

_FEATURE_SUFFIXES = (".h5", ".hdf5", ".pt", ".pth", ".npy", ".npz", ".zarr", ".parquet")


def slide_of(name: str) -> str:
    """The name of a feature file without its own suffix; dots inside an id (TCGA) are left alone."""
    lower = name.lower()
    suffix = next((one for one in _FEATURE_SUFFIXES if lower.endswith(one)), "")
    return name[: len(name) - len(suffix)] if suffix else name
