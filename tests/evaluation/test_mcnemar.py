"""McNemar's test is the binomial one with few disagreements, and respects patients."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2

from harness.evaluation.mcnemar import EXACT_UP_TO, mcnemar


def table(first_only: int, second_only: int, both: int = 5) -> tuple[np.ndarray, np.ndarray]:
    first = np.r_[np.ones(first_only), np.zeros(second_only), np.ones(both)]
    return first.astype(bool), np.r_[np.zeros(first_only), np.ones(second_only), np.ones(both)].astype(bool)


@given(st.integers(0, 30), st.integers(0, 30))
def test_few_disagreements_are_the_binomial_test(b: int, c: int) -> None:
    found = mcnemar(*table(b, c))
    expected = binomtest(b, b + c).pvalue if b + c else 1.0
    assert found.exact and found.p_value == pytest.approx(expected)
    assert (found.first_only, found.second_only) == (b, c) and found.difference == pytest.approx((b - c) / (b + c + 5))


def test_many_are_the_chi_squared_one() -> None:
    found = mcnemar(*table(180, 140))
    assert not found.exact and found.p_value == pytest.approx(chi2.sf(40**2 / 320, 1))
    assert found.p_value == pytest.approx(binomtest(180, 320).pvalue, rel=0.15)
    assert mcnemar(*table(60, 40)).exact and EXACT_UP_TO == 100


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_patients_are_flipped_as_wholes(differences: list[int]) -> None:
    first = [np.r_[np.ones(max(d, 0)), np.zeros(max(-d, 0)), 1] for d in differences]
    second = [np.r_[np.zeros(max(d, 0)), np.ones(max(-d, 0)), 1] for d in differences]
    patients = np.repeat(np.arange(len(differences)), [len(one) for one in first])
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product([1, -1], repeat=len(differences))
    ]
    found = mcnemar(np.concatenate(first), np.concatenate(second), patients)
    assert found.p_value == pytest.approx(np.mean(np.array(sums) >= abs(sum(differences))))


def test_one_slide_each_is_no_cluster_and_copies_are_no_evidence() -> None:
    first, second = table(9, 2)
    one = mcnemar(first, second)
    assert mcnemar(first, second, np.arange(len(first))) == one
    copied = mcnemar(np.repeat(first, 4), np.repeat(second, 4), np.repeat(np.arange(len(first)), 4))
    assert copied.p_value == pytest.approx(one.p_value)


def test_no_disagreement_is_no_difference_and_other_slides_are_refused() -> None:
    assert mcnemar([1, 0, 1], [1, 0, 1]).p_value == 1
    with pytest.raises(ValueError, match="pairs the same slides"):
        mcnemar([1, 0], [1])


@pytest.mark.parametrize("slides", [1, 3])
def test_equal_methods_are_called_different_at_most_as_often_as_promised(slides: int) -> None:
    rng = np.random.default_rng(3)
    trials, patients = 400, 60
    hard = rng.uniform(size=(trials, 1, patients))
    right = (rng.uniform(size=(trials, 2, slides, patients)) > 0.6 * hard[:, :, None]) | (hard[:, :, None] < 0.3)
    whom = np.tile(np.arange(patients), slides)
    called = [mcnemar(a.ravel(), b.ravel(), whom).p_value < 0.05 for a, b in right]
    assert np.mean(called) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
    assert np.mean(called) > 0.01
