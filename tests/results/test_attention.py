"""Attention lands where the tiles are, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.results.attention import attention_thumbnail, patch_montage, relative_strength

GREY = np.full((40, 60, 3), 200, np.uint8)


def changed(picture: np.ndarray, before: np.ndarray = GREY) -> np.ndarray:
    return (picture != before).any(axis=2)


def test_colour_covers_exactly_the_tiles() -> None:
    picture = attention_thumbnail(GREY, [[100, 200]], 100, [1.0], 10)
    expected = np.zeros((40, 60), bool)
    expected[20:30, 10:20] = True
    assert np.array_equal(changed(picture), expected)


def test_no_attention_leaves_the_slide_as_it_is() -> None:
    picture = attention_thumbnail(GREY, [[0, 0], [100, 0]], 100, [0.0, 1.0], 10)
    assert not changed(picture)[:10, :10].any() and changed(picture)[:10, 10:20].all()
    for weights in ([0.0, 0.0], [np.nan, np.nan]):
        assert np.array_equal(attention_thumbnail(GREY, [[0, 0], [100, 0]], 100, weights, 10), GREY)
    assert np.array_equal(attention_thumbnail(GREY, np.zeros((0, 2)), 100, [], 10), GREY)


def test_the_input_is_not_written_to() -> None:
    before = GREY.copy()
    attention_thumbnail(GREY, [[0, 0]], 100, [1.0], 10)
    assert np.array_equal(GREY, before)


def test_more_attention_is_redder_and_less_transparent() -> None:
    picture = attention_thumbnail(GREY, [[0, 0], [100, 0], [200, 0]], 100, [0.2, 0.6, 1.0], 10).astype(int)
    low, middle, high = picture[5, 5], picture[5, 15], picture[5, 25]
    assert high[0] - high[2] > middle[0] - middle[2] > low[0] - low[2]
    assert np.abs(high - 200).sum() > np.abs(low - 200).sum()


def test_overlapping_tiles_are_averaged() -> None:
    one = attention_thumbnail(GREY, [[0, 0], [300, 300]], 100, [0.5, 1.0], 10)
    two = attention_thumbnail(GREY, [[0, 0], [0, 0], [300, 300]], 100, [0.25, 0.75, 1.0], 10)
    assert np.array_equal(one[:10, :10], two[:10, :10])


@given(st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_tiles_in_any_order_at_any_place_give_the_same_picture(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coords, weights = rng.integers(-300, 900, (30, 2)), rng.random(30)
    order = rng.permutation(30)
    picture = attention_thumbnail(GREY, coords, 37.5, weights, 12.3)
    again = attention_thumbnail(GREY, coords[order], 37.5, weights[order], 12.3)
    assert picture.shape == GREY.shape and picture.dtype == np.uint8
    assert np.abs(picture.astype(int) - again).max() <= 1


def test_a_tile_smaller_than_a_pixel_is_still_seen() -> None:
    assert changed(attention_thumbnail(GREY, [[105, 105]], 2, [1.0], 10)).sum() == 1


def test_one_extreme_tile_does_not_hide_the_others() -> None:
    weights = np.r_[np.full(999, 0.5), 100.0]
    assert relative_strength(weights)[0] == pytest.approx(1.0)
    assert relative_strength(np.r_[np.zeros(999), 1.0]).max() == 1.0


def test_the_montage_shows_the_most_and_the_least_attended_tiles() -> None:
    values = np.arange(40, dtype=np.uint8) * 6
    tiles = np.broadcast_to(values[:, None, None, None], (40, 27, 27, 3)).copy()
    weights = np.random.default_rng(0).permutation(40) / 780
    picture = patch_montage(tiles, weights, 8, columns=8, side=32)
    upper, lower = np.split(picture, 2)
    centres = [8 + k * 42 + 19 for k in range(8)]
    order = np.argsort(-weights)
    assert [int(v) for v in upper[30 + 19, centres, 0]] == values[order[:8]].tolist()
    assert [int(v) for v in lower[30 + 19, centres, 0]] == values[order[::-1][:8]].tolist()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_small_bag_shows_no_tile_twice(n: int) -> None:
    tiles = np.zeros((n, 27, 27, 3), np.uint8)
    tiles += (np.arange(n, dtype=np.uint8) * 50 + 3)[:, None, None, None]
    picture = patch_montage(tiles, np.arange(n) / 10, 16, columns=4, side=20)
    for value in range(3, 3 + 50 * n, 50):
        shown = (picture == value).all(axis=2)
        # Interpolation and text leave only the flat inside of a tile at exactly this grey.
        assert 300 <= shown.sum() <= 450
