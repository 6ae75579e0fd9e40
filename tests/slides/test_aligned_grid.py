from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.slides.aligned_grid import StoredTiles, coverage, lay_aligned, starts
from harness.slides.grid import lay_grid


@given(st.integers(1, 3000), st.integers(1, 700), st.integers(8, 300))
@settings(max_examples=150, deadline=None)
def test_tiles_touch_as_few_stored_ones_as_they_can_and_lie_apart(length: int, side: int, stored: int) -> None:
    found = starts(length, side, stored)
    assert (found >= 0).all() and (found + side <= length).all()
    assert (np.diff(found) >= side).all()
    touched = (found + side - 1) // stored - found // stored + 1
    assert (touched <= -(-side // stored)).all()


@pytest.mark.parametrize(
    ("side", "stored", "first"),
    [
        (240, 240, [0, 240, 480]),
        (224, 240, [0, 240, 480]),
        (256, 512, [0, 256, 512]),
        (256, 240, [0, 480, 960]),
        (480, 240, [0, 480, 960]),
        (480, 240.06, [0, 480, 960]),
        (962, 961.92, [0, 962, 1924]),
    ],
)
def test_where_tiles_start(side: int, stored: float, first: list[int]) -> None:
    assert starts(3000, side, stored)[:3].tolist() == first


def test_where_stored_tiles_are_as_large_as_those_of_the_grid_it_is_the_grid_from_the_corner() -> None:
    mask = np.random.default_rng(0).random((37, 51)) < 0.5
    for least in (0.2, 0.5, 0.7):
        expected = lay_grid(mask, 4000, 3000, 240, least)
        np.testing.assert_array_equal(lay_aligned(mask, 4000, 3000, 240, least, StoredTiles(240, 240)), expected)


def test_the_share_of_tissue_is_that_under_the_tile() -> None:
    mask = np.zeros((100, 100), bool)
    mask[:, 48:] = True
    found = lay_aligned(mask, 1000, 1000, 256, 0.99, StoredTiles(240, 240))
    assert found.tolist() == [[480, 0], [480, 480]]


def test_coverage() -> None:
    assert coverage(240, StoredTiles(240, 240)) == pytest.approx(1, abs=1e-3)
    assert coverage(256, StoredTiles(240, 240)) == pytest.approx((256 / 480) ** 2, abs=1e-3)
    assert coverage(224, StoredTiles(240, 240)) == pytest.approx((224 / 240) ** 2, abs=1e-3)
