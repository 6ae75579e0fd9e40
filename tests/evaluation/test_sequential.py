"""The sequential test: its error stays below 5 % however often one looks, and it finds what is there."""

from __future__ import annotations

import numpy as np
import pytest

from harness.evaluation.sequential import ALPHA, decide, interval, wealth

RUNS = 60
DRAWS = 3000


def ever(d: np.ndarray) -> float:
    """Share of sequences that are decided at some time, whoever looks after every run."""
    return float((wealth(d).max(axis=1) >= 1 / ALPHA).mean())


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "few values", "growing", "equal methods of two runs"])
def test_equal_methods_are_told_apart_at_most_once_in_twenty_at_any_time(kind):
    rng = np.random.default_rng(11)
    shape = (DRAWS, RUNS)
    d = {
        "normal": lambda: rng.normal(size=shape),
        "heavy tails": lambda: rng.standard_t(2, size=shape),
        "few values": lambda: rng.integers(-1, 2, size=shape) / 40,
        "growing": lambda: rng.normal(size=shape) * np.arange(1, RUNS + 1),
        # Skewed scores with one distribution for both: their difference is symmetric.
        "equal methods of two runs": lambda: rng.beta(8, 1, size=shape) - rng.beta(8, 1, size=shape),
    }[kind]()
    assert 0.005 < ever(d) < ALPHA


def test_the_patients_that_all_runs_share_do_no_harm():
    """Scores move together with the slides that are tested: given them, equal methods stay exchangeable."""
    rng = np.random.default_rng(12)
    slides = rng.normal(size=(DRAWS, 1))
    a, b = (slides + 0.3 * rng.normal(size=(DRAWS, RUNS)) * np.exp(slides) for _ in range(2))
    assert ever(b - a) < ALPHA


def test_differences_are_found():
    rng = np.random.default_rng(13)
    found = {}
    for effect in (0.5, 1.0, 2.0):
        hit = np.maximum.accumulate(wealth(rng.normal(effect, 1, size=(1000, RUNS))), axis=1) >= 1 / ALPHA
        found[effect] = hit[:, [9, 19, RUNS - 1]].mean(axis=0)
    assert found[0.5][2] > 0.7 and found[1.0][1] > 0.75 and found[2.0][0] > 0.95


def test_the_interval_holds_at_all_times_together():
    rng = np.random.default_rng(14)
    d = rng.normal(0.3, 1, size=(40, 25))
    missed = sum(any(not low <= 0.3 <= high for low, high in map(interval, (one[:12], one[:18], one))) for one in d)
    assert missed <= 5
    narrow, wide = (np.mean([high - low for low, high in map(interval, d[:, :n])]) for n in (25, 12))
    assert narrow < wide
    assert interval([]) == interval([0.1, 0.12, 0.09]) == (-np.inf, np.inf)
    assert interval([0.1] * 9) == (0.1, 0.1)


def test_the_unit_of_the_score_does_not_matter():
    d = np.random.default_rng(15).normal(0.5, 1, size=20)
    np.testing.assert_allclose(wealth(d), wealth(1e-4 * d))
    np.testing.assert_allclose(wealth(d), wealth(-d))
    assert np.array_equal(wealth(np.zeros(5)), np.ones(5))


def test_what_was_decided_once_stays_decided():
    d = np.array([0.1] * 8 + [-0.3] * 4)
    found = decide(d)
    assert (found.outcome, found.runs) == ("second", 12)
    assert found.p_value <= ALPHA and found.wealth < 20
    assert decide(-d).outcome == "first" and decide(d, lower_is_better=True).outcome == "first"
    assert decide(d[:6]).outcome == "open" and decide([]).outcome == "open"


def test_differences_within_the_margin_are_equivalent():
    rng = np.random.default_rng(16)
    d = rng.normal(0, 0.01, size=25)
    assert decide(d, margin=0.05).outcome == "equivalent"
    assert decide(d).outcome == "open" and decide(d, margin=1e-4).outcome == "open"
