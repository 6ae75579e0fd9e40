"""Feature folders as other tools write them, small enough to be made for each test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from harness.features.formats.base import FeatureFormat, Options, SlideFeatures
from harness.features.formats.detect import detect

Write = Callable[..., Path]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def h5() -> Write:
    """Writes one HDF5 file: data sets, and attributes by data set (``""`` for the file)."""

    def write(
        path: Path, arrays: Mapping[str, Any], about: Mapping[str, Mapping[str, Any]] | None = None, **layout: Any
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                chunked = {} if np.ndim(values) < 2 or not layout else layout
                rows = {"chunks": (1, *np.shape(values)[1:]), "maxshape": (None, *np.shape(values)[1:])}
                file.create_dataset(name, data=values, **(rows if chunked.get("one_row") else {}))
            for name, attributes in (about or {}).items():
                (file[name] if name else file).attrs.update(attributes)
        return path

    return write


def read(folder: Path, slide: str, **options: Any) -> SlideFeatures:
    """The features of one slide in a folder."""
    found = detect(folder, Options(**options))
    return found.read(next(file for file in found.files if file.slide == slide))


def names(found: FeatureFormat) -> list[str]:
    return sorted(file.slide for file in found.files)
