"""Decision curves start at the share of events, gain by good predictions, and have a band over patients."""

from __future__ import annotations

import numpy as np
import pytest

from harness.evaluation.decision_curve import THRESHOLDS, decision_curve
from harness.evaluation.study_scores import Predictions


def made(n: int = 400, *, sharp: float = 1.0) -> Predictions:
    """Calibrated predictions in two folds."""
    rng = np.random.default_rng(0)
    p = 1 / (1 + np.exp(-sharp * rng.normal(size=n) + 1))
    label, zero = (rng.uniform(size=n) < p).astype(int), np.zeros(n, int)
    return Predictions(zero, np.arange(n) % 2, zero, np.arange(n), label, np.c_[1 - p, p], (p > 0.5).astype(int))


def test_it_starts_at_the_share_of_events_and_treating_all_ends_below_nobody() -> None:
    data = made()
    found = decision_curve(data, resamples=0)
    assert found.net_benefit[0] == found.treat_all[0] == pytest.approx(data.label.mean())
    k = int(np.searchsorted(THRESHOLDS, 0.5))
    odds = THRESHOLDS[k] / (1 - THRESHOLDS[k])
    treated = data.probabilities[:, 1] >= THRESHOLDS[k]
    expected = (treated & (data.label == 1)).mean() - (treated & (data.label == 0)).mean() * odds
    assert found.net_benefit[k] == pytest.approx(expected)
    assert found.treat_all[k] == pytest.approx(data.label.mean() - (1 - data.label.mean()) * odds)
    assert found.treat_all[-1] < 0 and found.low is None


def test_calibrated_predictions_are_worth_more_than_either_default_the_sharper_the_more() -> None:
    blunt, sharp = decision_curve(made(4000), resamples=0), decision_curve(made(4000, sharp=3.0), resamples=0)
    middle = (THRESHOLDS > 0.1) & (THRESHOLDS < 0.6)
    assert (blunt.net_benefit >= np.maximum(blunt.treat_all, 0) - 0.01)[middle].all()
    gain = [(one.net_benefit - np.maximum(one.treat_all, 0))[middle].mean() for one in (blunt, sharp)]
    assert 0 < gain[0] < gain[1]


def test_the_band_holds_the_curve() -> None:
    found = decision_curve(made(200), resamples=60)
    assert found.low is not None and found.high is not None
    assert (found.low <= found.net_benefit + 1e-9)[:60].all() and (found.net_benefit <= found.high + 1e-9)[:60].all()
