"""What a heatmap takes for the side of a tile where nobody states it."""

from __future__ import annotations

import numpy as np
import pytest

from harness.models.heatmap import grid_step


@pytest.mark.parametrize("step", [256, 448])
def test_the_side_of_a_tile_is_the_commonest_step_of_the_grid(step):
    rng = np.random.default_rng(step)
    grid = np.stack(np.divmod(np.arange(400), 20), 1) * step + np.array([1234, 567])
    kept = grid[rng.random(400) < 0.6]
    assert grid_step(kept[rng.permutation(len(kept))]) == step


def test_a_single_tile_has_some_side():
    assert grid_step(np.array([[5, 5]])) > 0
