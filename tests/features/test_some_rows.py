"""A few rows of a packed file, without a mapping of it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import DataError
from harness.features import FeatureStore
from harness.features.some_rows import read_some
from harness.features.store import FEATURES

from .conftest import rows, write


def test_rows_are_those_of_the_file_in_the_order_asked_for(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    (tmp_path / "rows").write_bytes(b"head" + values.tobytes())
    found = read_some(tmp_path / "rows", values.dtype, 5, [8, 0, 3], offset=4)
    np.testing.assert_array_equal(found, values[[8, 0, 3]])
    assert read_some(tmp_path / "rows", values.dtype, 5, []).shape == (0, 5)
    assert read_some(tmp_path / "rows", values.dtype, 5, [3, 9], offset=4) is None


def test_of_a_store(tmp_path: Path) -> None:
    write(tmp_path, {"a": 3, "b": 5})
    store = FeatureStore.open(tmp_path)
    np.testing.assert_array_equal(store.some("b", [4, 1]), rows("b", 5)[[4, 1]])
    os.truncate(tmp_path / FEATURES, (tmp_path / FEATURES).stat().st_size - 1)
    with pytest.raises(DataError, match="cut short: slide b"):
        store.some("b", [0, 4])
