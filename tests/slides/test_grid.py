from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.slides.grid import lay_grid, side_on_level0, tissue_fractions, too_coarse

masks = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def _by_hand(mask: np.ndarray, width: int, height: int, side: int) -> np.ndarray:
    """Overlap of every tile with every mask pixel, one by one."""
    tall, wide = height / mask.shape[0], width / mask.shape[1]
    result = np.zeros((height // side, width // side))
    for row, column in np.ndindex(*result.shape):
        for i, j in np.argwhere(mask):
            down = min((row + 1) * side, (i + 1) * tall) - max(row * side, i * tall)
            across = min((column + 1) * side, (j + 1) * wide) - max(column * side, j * wide)
            result[row, column] += max(0.0, down) * max(0.0, across) / side**2
    return result


@given(masks, st.integers(1, 60), st.integers(1, 60), st.integers(1, 25))
@settings(max_examples=80, deadline=None)
def test_fractions_equal_counting_by_hand(mask: np.ndarray, width: int, height: int, side: int) -> None:
    fractions = tissue_fractions(mask, width, height, side)
    np.testing.assert_allclose(fractions, _by_hand(mask, width, height, side), atol=1e-9)


@given(masks, st.integers(1, 60), st.integers(1, 60), st.integers(1, 25), st.floats(0.05, 1.0))
@settings(max_examples=80, deadline=None)
def test_tiles_lie_on_the_slide_on_the_grid_in_order(
    mask: np.ndarray, width: int, height: int, side: int, least: float
) -> None:
    coords = lay_grid(mask, width, height, side, least)
    assert coords.dtype == np.int64
    assert coords.shape == (len(coords), 2)
    assert (coords % side == 0).all()
    assert (coords >= 0).all()
    assert (coords + side <= [width, height]).all()
    assert len(np.unique(coords, axis=0)) == len(coords)
    np.testing.assert_array_equal(coords, coords[np.lexsort((coords[:, 0], coords[:, 1]))])
    kept = _by_hand(mask, width, height, side) >= least - 1e-6
    surely = _by_hand(mask, width, height, side) >= least + 1e-6
    assert surely.sum() <= len(coords) <= kept.sum()


def test_the_bound_itself_is_kept() -> None:
    mask = np.array([[True, False], [False, False]])
    assert len(lay_grid(mask, 512, 512, 512, 0.25)) == 1
    assert len(lay_grid(mask, 512, 512, 512, 0.26)) == 0


def test_a_slide_smaller_than_a_tile_has_none() -> None:
    assert lay_grid(np.ones((4, 4), bool), 100, 300, 128, 0.1).shape == (0, 2)


@pytest.mark.parametrize(
    ("mpp", "slide_mpp", "levels", "side"),
    [
        (0.5, 0.25, (1.0,), 512),
        (0.5, 0.243, (1.0, 2.0, 4.0), 527),
        (0.5, 0.499, (1.0,), 256),  # the slide's own pixels, not 257
        (1.0, 0.2485, (1.0, 4.016), 1028),  # the level's own pixels, not 1030
        (0.25, 0.275, (1.0,), 233),
    ],
)
def test_side_of_a_tile(mpp: float, slide_mpp: float, levels: tuple[float, ...], side: int) -> None:
    assert side_on_level0(256, mpp, slide_mpp, levels) == side


@given(st.floats(0.1, 2.0), st.floats(0.1, 2.0), st.lists(st.floats(1, 300), max_size=6))
def test_a_tile_covers_the_ground_it_should(mpp: float, slide_mpp: float, levels: list[float]) -> None:
    side = side_on_level0(256, mpp, slide_mpp, (1.0, *levels))
    assert side * slide_mpp == pytest.approx(256 * mpp, rel=0.0101, abs=slide_mpp)


def test_blowing_up_is_noticed() -> None:
    assert too_coarse(0.25, 0.5)
    assert not too_coarse(0.25, 0.2756)
    assert not too_coarse(0.5, 0.25)
