"""Corrections for many tests are those of their definitions and keep their promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from harness.evaluation.multiple import benjamini_hochberg, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(P_VALUES)
def test_holm_is_that_of_its_definition(p: list[float]) -> None:
    found = holm(p)
    for k, value in enumerate(p):
        smaller = [(q, j) for j, q in enumerate(p) if (q, j) <= (value, k)]
        steps = [q * (len(p) - rank) for rank, (q, _) in enumerate(sorted(smaller))]
        assert found[k] == pytest.approx(min(1.0, max(steps)))
    assert (found >= np.asarray(p)).all() and (found >= false_discovery_control(p, method="bh") - 1e-12).all()


@given(P_VALUES, st.floats(0.01, 0.5))
def test_benjamini_and_hochberg_find_what_the_step_up_rule_finds(p: list[float], level: float) -> None:
    """The rule of the paper: with k the largest for which p(k) <= level k/m, the k smallest are findings."""
    ordered = sorted(p)
    passing = [rank for rank, q in enumerate(ordered, 1) if q <= level * rank / len(p)]
    margin = min(abs(q - level * rank / len(p)) for rank, q in enumerate(ordered, 1))
    if margin > 1e-9:
        assert (benjamini_hochberg(p) <= level).sum() == max(passing, default=0)


def test_what_is_undefined_is_no_finding() -> None:
    assert holm([0.01, np.nan]).tolist() == [0.02, 1.0] and holm([]).tolist() == []
    assert benjamini_hochberg([0.01, np.nan]).tolist() == [0.02, 1.0] and benjamini_hochberg([]).tolist() == []


def test_error_rates_are_kept() -> None:
    rng = np.random.default_rng(0)
    null = rng.uniform(size=(1000, 12))
    assert np.mean([(holm(one) < 0.05).any() for one in null]) == pytest.approx(0.05, abs=0.02)
    mixed = np.c_[rng.beta(0.05, 8, size=(1000, 12)), null]
    found = np.array([benjamini_hochberg(one) < 0.05 for one in mixed])
    false_share = found[:, 12:].sum(axis=1) / np.maximum(1, found.sum(axis=1))
    assert false_share.mean() == pytest.approx(0.05 / 2, abs=0.01)  # half of the hypotheses are null
