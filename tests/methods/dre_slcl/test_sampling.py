"""Draws: no tile is fresh and stored at once, and every draw is a function of its place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.seeds import Seeds
from methods.dre_slcl.sampling import Sampler, draw_tiles


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 60), st.integers(0, 10**6))
def test_no_tile_counts_twice(count, fresh, stored, seed):
    encoded, read = draw_tiles(count, fresh, stored, np.random.default_rng(seed))
    together = np.concatenate([encoded, read])
    assert len(np.unique(together)) == len(together) and set(together) <= set(range(count))
    assert len(encoded) == min(fresh, count) and len(read) == min(stored, count - len(encoded))


def _sampler(bags, batch_size: int = 5) -> Sampler:
    return Sampler(source=bags, stage="s", seeds=Seeds(1), batch_size=batch_size, fresh=3, stored=4)


def test_an_epoch_shows_every_slide_once_in_even_batches(make_bags):
    draws = list(_sampler(make_bags(11)).batches(0, 0))
    assert sorted(len(draw.slides) for draw in draws) == [3, 4, 4]
    assert sorted(np.concatenate([draw.slides for draw in draws])) == list(range(11))
    assert [draw.step for draw in draws] == [0, 1, 2]
    assert [draw.step for draw in _sampler(make_bags(11)).batches(2, 1)] == [7, 8]


@pytest.mark.parametrize("start", [0, 1, 2])
def test_draws_do_not_depend_on_where_an_epoch_is_entered(make_bags, start):
    bags = make_bags(11)
    whole = list(_sampler(bags).batches(3, 0))[start:]
    for one, other in zip(whole, _sampler(bags).batches(3, start), strict=True):
        assert np.array_equal(one.slides, other.slides) and one.seed == other.seed
        assert all(map(np.array_equal, one.fresh + one.stored, other.fresh + other.stored))
        assert one.tiles.equal(other.tiles)


def test_tiles_are_those_of_the_drawn_rows(make_bags):
    bags = make_bags(4)
    (draw,) = _sampler(bags).batches(0, 0)
    parts = draw.tiles.split([len(rows) for rows in draw.fresh])
    for slide, rows, tiles in zip(draw.slides, draw.fresh, parts, strict=True):
        assert tiles.equal(bags.read(int(slide))[rows])
