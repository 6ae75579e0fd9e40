"""Sampling of tiles: sizes, shares of the scales, no needless repeats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bags.sampling import draw_balanced, draw_by_region, draw_multi_scale, draw_rows, regions_of


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


def _grid(width: int, height: int) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).reshape(-1, 2) * 256 + 1000


def test_regions_are_equal_rectangles_of_the_box_around_the_tiles():
    coords = _grid(8, 4)
    regions = regions_of(coords, 32, 4)
    assert np.unique(regions, return_counts=True)[1].tolist() == [2] * 16
    left_top = (coords[:, 0] < 1000 + 2 * 256) & (coords[:, 1] < 1000 + 256)
    assert np.array_equal(regions == 0, left_top)


def test_tiles_without_positions_are_laid_out_in_a_square():
    regions = regions_of(None, 15, 2)
    square = np.append(regions, 3).reshape(4, 4)
    assert [len(set(square[r : r + 2, c : c + 2].ravel())) for r in (0, 2) for c in (0, 2)] == [1] * 4
    assert len(set(regions)) == 4
    assert regions_of(None, 1, 8).tolist() == [0]


@given(
    count=st.integers(1, 60),
    wanted=st.integers(0, 100),
    divisions=st.integers(1, 8),
    seed=st.integers(0, 5),
    known=st.booleans(),
)
def test_every_region_gives_its_share(count, wanted, divisions, seed, known):
    rng = np.random.default_rng(seed)
    regions = regions_of(rng.integers(0, 5000, (count, 2)) if known else None, count, divisions)
    assert regions.shape == (count,)
    assert 0 <= regions.min() <= regions.max() < divisions**2
    rows = draw_by_region(regions, wanted, divisions, rng)
    assert len(rows) == wanted
    assert len(set(rows)) == min(count, wanted)
    share = wanted // divisions**2
    for region in range(divisions**2):
        assert (regions[rows] == region).sum() >= min(share, (regions == region).sum())


def test_draws_within_regions_are_uniform():
    regions, rng, hits = np.array([0] * 8 + [3] * 2), np.random.default_rng(0), np.zeros(10)
    for _ in range(4000):
        hits[draw_by_region(regions, 8, 2, rng)] += 1
    # Two of each region that has tiles; the regions without leave four to draw from the six that remain.
    expected = np.array([0.25 + 0.75 * 4 / 6] * 8 + [1.0] * 2)
    assert np.abs(hits / 4000 - expected).max() < 0.03


def test_regions_at_both_scales_keep_the_shares_of_the_scales():
    regions = [regions_of(_grid(20, 20), 400, 4), regions_of(_grid(10, 10), 100, 4)]
    rng = np.random.default_rng(0)
    draws = dict(draw_multi_scale((400, 100), 128, 4, rng, regions=regions, divisions=4))
    assert (len(draws[1]), len(draws[0])) == (32, 96)
    assert np.bincount(regions[0][draws[0]], minlength=16).tolist() == [6] * 16
    assert np.bincount(regions[1][draws[1]], minlength=16).tolist() == [2] * 16


def test_balanced_draws_show_every_class_equally_often():
    labels = np.array([0] * 90 + [1] * 10)
    rng = np.random.default_rng(0)
    drawn = np.concatenate([draw_balanced(labels, rng) for _ in range(100)])
    assert len(drawn) == 100 * 100
    assert abs(labels[drawn].mean() - 0.5) < 0.02
    assert set(drawn) == set(range(100))
