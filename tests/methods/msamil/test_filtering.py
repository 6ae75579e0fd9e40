"""Lesion shares of windows, the rule of the paper with its fallbacks, and weights spread over fine tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.msamil.filtering import keep, window_shares
from methods.msamil.heatmap import fine_weights
from methods.msamil.tile_filter import TileFilter, kept_facts


@given(st.integers(0, 10**6))
def test_shares_are_those_of_level_zero_pixels(seed):
    """Brute force: the mask blown up to the slide's own pixels; windows cut the mask's pixels anywhere."""
    rng = np.random.default_rng(seed)
    mask = rng.random((4, 4)) < 0.5
    width, height = (4 * int(k) for k in rng.integers(2, 6, 2))
    slide = np.repeat(np.repeat(mask, height // 4, 0), width // 4, 1)
    side = int(rng.integers(1, 7))
    corners = np.stack([rng.integers(0, width, 9), rng.integers(0, height, 9)], 1)
    expected = [slide[y : y + side, x : x + side].sum() / side**2 for x, y in corners]
    np.testing.assert_allclose(window_shares(mask, corners, side, width, height), expected, atol=1e-9)


def brute_rule(shares, above, top, least):
    kept = [[k for k, share in enumerate(one) if share > above] for one in shares]
    if any(kept):
        return kept, "lesion"
    ranked = [sorted(range(len(one)), key=lambda k: (-one[k], k))[:top] for one in shares]
    kept = [sorted(k for k in rows if one[k] >= least) for one, rows in zip(shares, ranked, strict=True)]
    if any(kept):
        return kept, "top"
    return [list(range(len(one))) for one in shares], "tissue"


@given(st.integers(0, 10**6), st.sampled_from([0.05, 0.5, 1.0]))
def test_the_rule_and_its_fallbacks(seed, largest):
    rng = np.random.default_rng(seed)
    shares = [np.round(rng.random(n) * largest, 1) for n in (30, 8, 0)]
    found = keep(shares, above=0.7, top=12, least=0.1)
    rows, rule = brute_rule(shares, 0.7, 12, 0.1)
    assert [one.tolist() for one in found.rows] == rows
    assert found.rule == rule
    assert found.count == sum(map(len, rows))


def test_the_threshold_is_strict_and_one_scale_is_enough():
    found = keep([np.array([0.7, 0.2]), np.array([0.71])], above=0.7, top=12, least=0.1)
    assert found.rule == "lesion"
    assert [len(rows) for rows in found.rows] == [0, 1]
    assert keep([np.array([0.7, 0.1, 0.05])], above=0.7, top=12, least=0.1).rows[0].tolist() == [0, 1]


class Known(torch.nn.Module):
    """A segmenter that finds what is dark."""

    def lesions(self, thumbnail, threshold):
        return (thumbnail.float().mean(0) < 165).numpy()


def test_the_filter_looks_at_predicted_lesions_and_never_at_masks(slides, make_params):
    bags = slides(4, seed=3)
    chosen = TileFilter(Known(), make_params(), torch.device("cpu"))
    kept = [chosen(bags, bag) for bag in range(4)]
    assert [one.rule for one in kept] == ["tissue", "lesion", "tissue", "lesion"]
    for bag, one in enumerate(kept):
        for scale, rows in enumerate(one.rows):
            side = 32 * 2**scale
            share = [bags.lesions[bag][y : y + side, x : x + side].mean() for x, y in bags.coords(bag, scale)]
            expected = np.flatnonzero(np.array(share) > 0.7) if bag % 2 else np.arange(len(share))
            # The thumbnail has a pixel for 4 x 4: shares near the threshold may fall to either side.
            doubtful = {k for k, value in enumerate(share) if bag % 2 and abs(value - 0.7) < 0.1}
            assert set(rows) ^ set(expected) <= doubtful
    assert bags.asked == []
    assert chosen(bags, 1) is kept[1]
    facts = kept_facts({"train": kept})
    assert facts["train_slides_by_lesion"] == 2
    assert facts["train_tiles_scale_0"] == pytest.approx(np.mean([len(one.rows[0]) for one in kept]), abs=0.01)


def test_without_segmenter_or_slide_everything_is_kept(slides, make_params):
    for source, segmenter in ((slides(2, seed=3), None), (slides(2, seed=3, known=False), Known())):
        kept = TileFilter(segmenter, make_params(), torch.device("cpu"))(source, 1)
        assert kept.rule == "off"
        assert [len(rows) for rows in kept.rows] == [source.count(1, scale) for scale in range(3)]


def test_weights_of_coarse_tiles_are_shared_by_the_fine_ones_below():
    fine = np.array([[x, y] for y in range(0, 40, 10) for x in range(0, 40, 10)])
    coarse = np.array([[0, 0], [20, 20]])
    weights = fine_weights(
        [np.array([0.5], np.float32), np.array([0.3, 0.2], np.float32)],
        [np.array([15]), np.array([0, 1])],
        [fine, coarse],
        (10, 20),
        16,
    )
    expected = np.zeros((4, 4))
    expected[:2, :2] = 0.3 / 4
    expected[2:, 2:] = 0.2 / 4
    expected[3, 3] += 0.5
    np.testing.assert_allclose(weights, expected.ravel(), atol=1e-7)
    alone = fine_weights(
        [np.array([0.5], np.float32), np.array([0.5], np.float32)], [[1], [0]], [None, None], (1, 1), 3
    )
    assert alone.tolist() == [0, 1, 0]
    lost = fine_weights([np.zeros(0, np.float32), np.ones(1, np.float32)], [[], [1]], [fine[:2], coarse], (10, 20), 2)
    assert lost.tolist() == [0.5, 0.5]
