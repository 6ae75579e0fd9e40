"""Tie groups: the letters of their definitions, and methods that differ are found to differ."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evaluation.paired import compare
from harness.evaluation.study_scores import Predictions
from harness.evaluation.ties import letters, ties


def made(signal: float, *, n: int = 80, seed: int = 0, folds: int = 2) -> Predictions:
    rng = np.random.default_rng(seed)
    label, zero = np.arange(n) % 2, np.zeros(n, int)
    p = 1 / (1 + np.exp(-(rng.normal(0, 1, n) + signal * (2 * label - 1))))
    names = np.array([f"s{k:03}" for k in range(n)])
    return Predictions(
        zero, np.arange(n) // 2 % folds, zero, names, label, np.c_[1 - p, p], (p > 0.5).astype(int), slide=names
    )


@given(st.integers(1, 7), st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6))))
def test_two_share_a_letter_if_and_only_if_they_do_not_differ(count: int, pairs: set[tuple[int, int]]) -> None:
    differ = {(a, b) for a, b in pairs if a < b < count}
    found = letters(range(count), differ)
    assert found[0].startswith("a") and all(found.values())
    for a, b in combinations(range(count), 2):
        assert bool(set(found[a]) & set(found[b])) == ((a, b) not in differ)


def test_a_pair_is_that_of_the_paired_comparison() -> None:
    data = [made(1.0), made(0.7, seed=1)]
    found = ties(data, "auc", resamples=500)
    assert found.p_values[0, 1] == pytest.approx(compare(*data, resamples=500)["auc"].p_value)


def test_strong_methods_tie_and_weak_ones_are_apart() -> None:
    data = [made(2.0), made(2.0, seed=1), made(0.0, seed=2)]
    found = ties(data, "auc")
    assert found.letters == ("a", "a", "b") and found.p_values[0, 2] < 0.05 < found.p_values[0, 1]


def test_many_pairs_can_still_be_told_apart() -> None:
    data = [made(3.0, seed=0)] + [made(-3.0, seed=k) for k in range(1, 12)]
    found = ties(data, "accuracy")
    assert found.resamples > 5000 and all(found.p_values[0, k] < 0.05 for k in range(1, 12))


def test_other_slides_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in their column"):
        ties([made(1.0), made(1.0, n=60)], "auc")


def test_an_undefined_score_has_no_letter() -> None:
    one = made(1.0)
    flat = Predictions(**{**one.columns(), "label": np.zeros(len(one), int)})
    assert ties([flat, flat], "auc", resamples=20).letters == ("", "")
