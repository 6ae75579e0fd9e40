"""Sampling of tiles: sizes, shares of the scales, no needless repeats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bags.sampling import draw_multi_scale, draw_rows


@given(count=st.integers(1, 50), wanted=st.integers(0, 120), seed=st.integers(0, 5))
def test_repeats_only_when_a_slide_is_short(count, wanted, seed):
    rows = draw_rows(count, wanted, np.random.default_rng(seed))
    assert len(rows) == wanted
    assert len(set(rows)) == min(count, wanted)
    assert all(0 <= row < count for row in rows)


def test_every_tile_is_equally_likely():
    rng = np.random.default_rng(0)
    hits = np.zeros(10)
    for _ in range(5000):
        hits[draw_rows(10, 3, rng)] += 1
    assert np.abs(hits / 5000 - 0.3).max() < 0.03


@pytest.mark.parametrize(
    ("tiles", "ratio", "low", "high"), [(128, 4, 32, 96), (512, 4, 128, 384), (128, 3, 42, 86), (768, 10, 76, 692)]
)
def test_published_shares(tiles, ratio, low, high):
    draws = dict(draw_multi_scale((5000, 1000), tiles, ratio, np.random.default_rng(0)))
    assert (len(draws[1]), len(draws[0])) == (low, high)


def test_a_missing_scale_is_made_up_from_the_other():
    rng = np.random.default_rng(0)
    assert [(scale, len(rows)) for scale, rows in draw_multi_scale((30, 0), 16, 4, rng)] == [(0, 16)]
    assert [(scale, len(rows)) for scale, rows in draw_multi_scale((0, 30), 16, 4, rng)] == [(1, 16)]


def test_zero_takes_the_whole_finest_scale_in_order():
    ((scale, rows),) = draw_multi_scale((5, 9), 0, 4, np.random.default_rng(0))
    assert scale == 0
    assert rows.tolist() == [0, 1, 2, 3, 4]


def test_a_slide_without_tiles_is_refused():
    with pytest.raises(ValueError, match="no tiles"):
        draw_multi_scale((0, 0), 4, 2, np.random.default_rng(0))
