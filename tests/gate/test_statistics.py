"""The rule of a night: its false alarms and what it finds, by simulation, and its tests against other code."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.gate import statistics
from harness.gate.statistics import FRESH, LEVEL, LOOKS, holm, p_values, suspected, t_values

SEEDS = 20


def nights(rng, n: int, measures: int, *, sigmas: float = 0.0, side="either"):
    """Whether each measure of each of ``n`` nights is red, shape (n, measures), and how many runs a night takes.

    ``sigmas`` is how far the first measure has moved; each night has bands of its own.
    """
    band = rng.normal(size=(n, measures, SEEDS))
    first = rng.normal(size=(n, measures))
    fresh = rng.normal(size=(n, measures, FRESH))
    first[:, 0] += sigmas
    fresh[:, 0] += sigmas
    alive = suspected(band, first, fresh[..., :0], side=side)
    runs, done = np.ones((n, measures)), 0
    for m in (*LOOKS, FRESH):
        runs += alive * (m - done)
        alive &= suspected(band, first, fresh[..., :m], side=side)
        done = m
    p = np.where(alive, p_values(band, fresh, side=side), 1.0)
    return holm(p) < LEVEL, runs.sum(axis=1)


@pytest.mark.parametrize("side", ["either", "above"])
def test_fifty_nights_without_a_change_have_no_red(rng, side) -> None:
    """Fifty in a row, and of 8,000 fewer than the level allows."""
    red, _ = nights(rng, 8_000, 14, side=side)
    assert not red[:50].any()
    assert red.any(axis=1).mean() < LEVEL


def test_measures_that_depend_on_each_other_keep_the_level_too(rng) -> None:
    red, _ = nights(rng, 8_000, 7)
    assert np.repeat(red, 2, axis=1).any(axis=1).mean() < LEVEL


def test_a_drop_of_three_sigma_is_red_the_first_night_nine_times_in_ten(rng) -> None:
    power = {sigmas: nights(rng, 3_000, 14, sigmas=-sigmas)[0].mean(axis=0) for sigmas in (3, 4, 5)}
    assert power[3][0] > 0.9
    assert power[4][0] > 0.99
    assert power[5][0] > 0.999
    assert all(found[1:].mean() < LEVEL for found in power.values()), "the others stay green"


def test_a_quiet_night_costs_less_than_half_again(rng) -> None:
    _, runs = nights(rng, 2_000, 14)
    assert runs.mean() / 14 < 1.5


def test_the_rule_would_not_keep_the_level_without_a_second_seed(rng) -> None:
    """What the confirmation is for: the first seed alone, tested as often, is wrong many times as often."""
    band, first = rng.normal(size=(2_000, 14, SEEDS)), rng.normal(size=(2_000, 14, 1))
    assert (p_values(band, first) < 0.05).any(axis=1).mean() > 0.4


def test_one_new_value_is_the_textbook_prediction_interval(rng) -> None:
    band = rng.normal(3, 2, size=SEEDS)
    half = stats.t.ppf(0.975, SEEDS - 1) * band.std(ddof=1) * np.sqrt(1 + 1 / SEEDS)
    for off in (half, -half):
        assert p_values(band, np.array([band.mean() + off])) == pytest.approx(0.05)


def test_many_new_values_agree_with_a_test_of_two_samples_of_one_spread(rng) -> None:
    """Where the new values have the band's own spread, it is Student's test with the spread of one side."""
    band = rng.normal(size=4_000)
    new = (band - band.mean()) + band.mean() + 0.03
    found = stats.ttest_ind(new, band)
    assert t_values(band, new) == pytest.approx(found.statistic, rel=1e-3)


@pytest.mark.parametrize(("p", "expected"), [([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]), ([0.6, 0.5], [1.0, 1.0])])
def test_holm(p, expected) -> None:
    assert holm(p) == pytest.approx(expected)
    assert holm([p, p]).shape == (2, len(p))


def test_a_band_without_spread_is_given_the_least(rng) -> None:
    band = np.full(SEEDS, 0.9)
    assert p_values(band, np.array([0.9]), least_spread=0.001) == pytest.approx(1)
    assert p_values(band, np.array([0.8999]), least_spread=0.001) > 0.9
    assert p_values(band, np.array([0.8]), least_spread=0.001) < 1e-6


def test_a_deviation_to_the_other_side_confirms_nothing() -> None:
    band = np.linspace(-1, 1, SEEDS)
    assert suspected(band, np.array(-4.0), np.array([-4.0]))
    assert not suspected(band, np.array(-4.0), np.array([4.0]))


def test_a_cost_counts_only_upwards_and_only_beyond_its_tolerance() -> None:
    band = np.linspace(-0.1, 0.1, SEEDS)
    none = np.array([])
    assert suspected(band, np.array(0.5), none, side="above", least=0.2)
    assert not suspected(band, np.array(-0.5), none, side="above", least=0.2)
    assert not suspected(band, np.array(0.19), none, side="above", least=0.2)


def test_the_numbers_of_the_documentation() -> None:
    assert (statistics.SCREEN, LOOKS, FRESH, LEVEL) == (0.3, {1: 0.3, 2: 0.1, 4: 0.02}, 10, 0.001)
