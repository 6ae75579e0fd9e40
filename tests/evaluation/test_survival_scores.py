"""Scores with inverse weights are those of scikit-survival, of loops over their definitions, and free of censoring.

The fixture holds made-up follow-ups, once with and once without ties, and what scikit-survival 0.28.0 says of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.evaluation.survival import c_index
from harness.evaluation.survival_scores import (
    dynamic_auc,
    integrated_brier,
    mean_dynamic_auc,
    survival_brier,
    uno_c,
)

REFERENCE = json.loads((Path(__file__).parent / "fixtures" / "scikit_survival.json").read_text())


@pytest.fixture(params=["continuous", "tied"])
def reference(request: pytest.FixtureRequest) -> dict[str, Any]:
    return REFERENCE[request.param]


def test_they_are_those_of_scikit_survival(reference: dict[str, Any]) -> None:
    t, e, r, at = (np.array(reference[name]) for name in ("time", "event", "risk", "at"))
    assert uno_c(t, e, r)[0] == pytest.approx(reference["uno_c"])
    assert uno_c(t, e, r, tau=at[-1])[0] == pytest.approx(reference["uno_c_up_to_last"])
    assert dynamic_auc(t, e, r, at)[0] == pytest.approx(reference["dynamic_auc"])
    assert mean_dynamic_auc(t, e, r, at)[0] == pytest.approx(reference["mean_dynamic_auc"])
    assert survival_brier(t, e, reference["survival"], at)[0] == pytest.approx(reference["brier"])
    assert integrated_brier(t, e, reference["survival"], at)[0] == pytest.approx(reference["integrated_brier"])


def test_weights_are_copies_of_patients(reference: dict[str, Any]) -> None:
    t, e, r, s = (np.array(reference[name]) for name in ("time", "event", "risk", "survival"))
    at = reference["at"]
    weights = np.random.default_rng(0).integers(0, 3, (4, len(t)))
    copies = [np.repeat(np.arange(len(t)), one) for one in weights]
    w = weights.astype(float)
    assert dynamic_auc(t, e, r, at, w) == pytest.approx(
        np.stack([dynamic_auc(t[k], e[k], r[k], at)[0] for k in copies]), nan_ok=True
    )
    assert survival_brier(t, e, s, at, w) == pytest.approx(
        np.stack([survival_brier(t[k], e[k], s[k], at)[0] for k in copies])
    )
    for k, found in zip(copies, uno_c(t, e, r, w), strict=True):
        once = np.unique(k, return_counts=True)
        loop = pairs = 0.0
        free = free_of_censoring(t[k], e[k], t)
        for i, many in zip(*once, strict=True):
            for j, others in zip(*once, strict=True):
                if e[i] and free[i] > 0 and (t[i] < t[j] or (t[i] == t[j] and not e[j])):
                    weight = many * others / free[i] ** 2
                    pairs += weight
                    loop += weight * ((r[i] > r[j]) + 0.5 * (r[i] == r[j]))
        assert found == pytest.approx(loop / pairs)


def free_of_censoring(times: np.ndarray, events: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Kaplan-Meier of censoring up to and with each time, by a loop; events at that time come first."""
    values = np.ones(len(at))
    for k, moment in enumerate(at):
        for one in np.unique(times[(events == 0) & (times <= moment)]):
            left = ((times == one) & (events == 0)).sum()
            values[k] *= 1 - left / ((times > one).sum() + left)
    return values


def test_without_censoring_they_are_the_plain_ones() -> None:
    rng = np.random.default_rng(1)
    t, r, seen = rng.exponential(size=30), rng.normal(size=30), np.ones(30)
    assert uno_c(t, seen, r) == pytest.approx(c_index(t, seen, r))
    s = rng.uniform(size=(30, 2))
    expected = ((s - (t[:, None] > [0.3, 0.8])) ** 2).mean(axis=0)
    assert survival_brier(t, seen, s, [0.3, 0.8])[0] == pytest.approx(expected)


def test_unos_index_does_not_depend_on_censoring_and_harrells_does() -> None:
    rng = np.random.default_rng(2)
    n, tau = 3000, 1.0
    r = rng.normal(size=n)
    early, late = rng.exponential(np.exp(-2 * r)), 0.2 + rng.exponential(size=n)
    t = np.where(early < 0.2, early, late)  # the risk says who has the event early, and nothing after
    followed = np.minimum(t, 1.0), t <= 1.0  # everybody is followed until tau
    truth = c_index(*followed, r)[0]
    censored = rng.exponential(0.4, n)
    time, seen = np.minimum(t, censored), t <= censored
    assert abs(uno_c(time, seen, r, tau=tau)[0] - truth) < 0.012 < abs(c_index(time, seen, r)[0] - truth)


def test_what_cannot_be_known_is_nan() -> None:
    assert np.isnan(uno_c([1, 2], [0, 0], [0.1, 0.2])).all()
    assert np.isnan(dynamic_auc([1, 2], [1, 1], [0.1, 0.2], [0.5])).all()
    with pytest.raises(ValueError, match="at least two times"):
        integrated_brier([1, 2], [1, 1], np.ones((2, 1)), [1.0])
