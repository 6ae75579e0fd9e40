"""Rank intervals and shared ranks: what their definitions say, on cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from harness.evaluation.ranks import bootstrap_ranks, rank_intervals, shared_ranks
from harness.evaluation.study_scores import Predictions


def made(signal: float, *, n: int = 80, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    label, zero = np.arange(n) % 2, np.zeros(n, int)
    p = 1 / (1 + np.exp(-(rng.normal(0, 1, n) + signal * (2 * label - 1))))
    names = np.array([f"s{k:03}" for k in range(n)])
    return Predictions(zero, zero, zero, names, label, np.c_[1 - p, p], (p > 0.5).astype(int), slide=names)


def test_limits_are_those_of_the_ranks_in_each_resample() -> None:
    drawn = np.random.default_rng(0).normal([[0.0], [0.3], [1.0]], 1, (3, 1000))
    found = rank_intervals(drawn)
    ranks = np.column_stack([rankdata(-column, method="min") for column in drawn.T])
    for interval, own in zip(found, ranks, strict=True):
        assert interval is not None
        assert (own < interval.low).mean() <= 0.025 and (own > interval.high).mean() <= 0.025
        assert (own <= interval.low).mean() >= 0.025 and (own >= interval.high).mean() >= 0.025


def test_a_tie_may_take_any_of_the_ranks_it_shares() -> None:
    found = rank_intervals(np.ones((3, 50)))
    assert [(one.low, one.high) for one in found if one] == [(1, 3)] * 3


def test_a_smaller_loss_is_the_better_rank() -> None:
    drawn = [[0.1] * 50, [0.2] * 50]
    assert [one.low for one in rank_intervals(drawn, lower=True) if one] == [1, 2]
    assert [one.low for one in rank_intervals(drawn) if one] == [2, 1]


def test_a_resample_counts_where_every_method_has_a_score() -> None:
    some, most = np.ones((2, 100)), np.ones((2, 100))
    some[0, :30], most[0, :60] = np.nan, np.nan
    assert [one and one.resamples for one in rank_intervals(some)] == [70, 70]
    assert rank_intervals(most) == [None, None]


def test_methods_far_apart_have_one_rank_and_equal_ones_many() -> None:
    found = bootstrap_ranks([made(2.0), made(2.0, seed=1), made(0.0, seed=2)], "auc", resamples=200)
    assert [one and (one.low, one.high) for one in found] == [(1, 2), (1, 2), (3, 3)]


def test_other_slides_are_refused_and_one_patient_has_no_interval() -> None:
    with pytest.raises(ValueError, match="differ in their column"):
        bootstrap_ranks([made(1.0), made(1.0, n=60)], "auc")
    one = made(1.0)
    same = Predictions(**{**vars(one), "patient": np.array(["p"] * len(one))})
    assert bootstrap_ranks([same, same], "auc", resamples=20) == [None, None]


@given(st.integers(0, 8), st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7))))
def test_ranks_never_fall_and_those_that_do_not_differ_from_the_first_share_its_rank(count: int, pairs) -> None:
    differ = {(a, b) for a, b in pairs if a < b < count}
    ranks = shared_ranks(count, differ)
    assert ranks == sorted(ranks) and all(1 <= rank <= place + 1 for place, rank in enumerate(ranks))
    first = next((k for k in range(count) if any(b == k for _, b in differ)), count)
    assert ranks[:first] == [1] * first
    assert ranks == shared_ranks(count, {(b, a) for a, b in differ})
