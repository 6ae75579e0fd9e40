"""Resampling draws whole patients, covers the truth, and pairs methods."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.evaluation.bootstrap import bootstrap, draws, paired_difference, patient_strata, patient_weights
from harness.evaluation.metrics import macro_auc, roc_auc


def mean_of(values: np.ndarray):
    return lambda weights: {"mean": (weights @ values) / weights.sum(axis=1)}


def test_all_slides_of_a_patient_come_along_and_patients_number_as_before() -> None:
    patients = np.array(["b", "a", "b", "c", "a", "b"])
    weights = np.concatenate(list(patient_weights(patients, resamples=500, seed=1)))
    assert weights.shape == (500, 6)
    for name in "abc":
        assert (np.ptp(weights[:, patients == name], axis=1) == 0).all()
    first = [int(np.flatnonzero(patients == name)[0]) for name in "abc"]
    assert (weights[:, first].sum(axis=1) == 3).all()
    assert weights[:, first].mean(axis=0) == pytest.approx([1, 1, 1], abs=0.15)


def test_blocks_are_bounded_and_the_draws_repeat() -> None:
    patients = np.arange(50_000)
    blocks = list(patient_weights(patients, resamples=200, seed=3))
    assert sum(map(len, blocks)) == 200
    assert max(block.nbytes for block in blocks) <= 40e6
    again = next(patient_weights(patients, resamples=200, seed=3))
    assert np.array_equal(blocks[0], again)


def test_interval_of_a_mean_agrees_with_theory() -> None:
    values = np.random.default_rng(0).normal(size=400)
    interval = bootstrap(mean_of(values), np.arange(400), resamples=4000)["mean"]
    half = 1.96 * values.std() / 20
    assert interval.low == pytest.approx(values.mean() - half, abs=0.01)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.01)


def test_slides_of_one_patient_are_no_new_evidence() -> None:
    values = np.random.default_rng(0).normal(size=40)
    few = bootstrap(mean_of(values), np.arange(40), resamples=1000)["mean"]
    many = bootstrap(mean_of(np.repeat(values, 10)), np.repeat(np.arange(40), 10), resamples=1000)["mean"]
    assert many.high - many.low == pytest.approx(few.high - few.low, rel=1e-9)


def test_auc_intervals_cover_the_truth_about_as_often_as_promised() -> None:
    rng = np.random.default_rng(5)
    truth = stats.norm.cdf(1.0 / np.sqrt(2))
    covered = 0
    for k in range(100):
        labels = rng.permutation(np.arange(100) % 2)
        scores = rng.normal(size=100) + labels
        interval = bootstrap(
            lambda w, y=labels, s=scores: {"auc": roc_auc(y, s, w)}, np.arange(100), resamples=300, seed=k
        )["auc"]
        covered += interval.low <= truth <= interval.high
    assert 88 <= covered <= 99


def test_resamples_of_one_class_are_left_out_and_counted() -> None:
    labels, scores = np.array([0, 1, 1]), np.array([0.1, 0.9, 0.4])

    def auc(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"auc": roc_auc(labels, scores, weights)}

    interval = bootstrap(auc, ["p", "q", "r"], resamples=1000)["auc"]
    assert interval.undefined == np.isnan(draws(auc, ["p", "q", "r"], resamples=1000)["auc"]).sum() > 0
    assert interval.resamples + interval.undefined == 1000
    assert interval.low == interval.high == 1.0


def test_one_patient_gives_no_interval() -> None:
    interval = bootstrap(mean_of(np.array([0.1, 0.2, 0.3])), ["p", "p", "p"], resamples=100)["mean"]
    assert np.isnan([interval.low, interval.high]).all()


def test_no_interval_where_most_resamples_are_undefined() -> None:
    def auc(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"auc": macro_auc([0, 1, 2], np.eye(3), weights)}

    # All three of three patients come up in 6 of 27 draws.
    interval = bootstrap(auc, ["p", "q", "r"], resamples=900)["auc"]
    assert np.isnan([interval.low, interval.high]).all()
    assert interval.undefined == pytest.approx(900 * 21 / 27, abs=60)


def test_a_method_does_not_differ_from_itself() -> None:
    values = np.random.default_rng(0).normal(size=30)
    same = paired_difference(mean_of(values), mean_of(values), np.arange(30), resamples=200)["mean"]
    assert (same.value, same.interval.low, same.interval.high, same.p_value) == (0, 0, 0, 1)


def test_pairing_sees_a_small_but_steady_difference() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=60)
    better = base + 0.05 + 0.01 * rng.normal(size=60)
    found = paired_difference(mean_of(better), mean_of(base), np.arange(60), resamples=500)["mean"]
    assert 0 < found.interval.low < found.value < found.interval.high
    assert found.p_value < 0.01
    alone = bootstrap(mean_of(base), np.arange(60), resamples=500)["mean"]
    assert found.interval.high - found.interval.low < (alone.high - alone.low) / 10


def test_p_values_are_even_when_there_is_no_difference() -> None:
    rng = np.random.default_rng(2)
    p = [
        paired_difference(
            mean_of(rng.normal(size=50)), mean_of(rng.normal(size=50)), np.arange(50), resamples=200, seed=k
        )["mean"].p_value
        for k in range(200)
    ]
    assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.12


def test_patients_with_the_same_classes_are_a_stratum_and_nobody_is_alone() -> None:
    patient = np.array([0, 0, 1, 2, 3, 3, 4, 5, 5, 6])
    value = np.array(["a", "b", "a", "a", "b", "a", "b", "b", "b", "c"])
    both, only_a, only_b = (patient_strata(patient, value)[k] for k in (0, 1, 4))
    assert len({both, only_a, only_b}) == 3
    assert patient_strata(patient, value)[:6].tolist() == [both, only_a, only_a, both, only_b, only_b]
    assert patient_strata(patient, value)[6] in (both, only_a, only_b)  # the only one of class c
    assert patient_strata(np.arange(4), np.arange(4)).tolist() == [0, 0, 0, 0]


def test_strata_keep_their_numbers_of_patients() -> None:
    patients, classes = np.repeat(np.arange(40), 2), np.repeat(np.arange(40) % 4 == 0, 2)
    weights = np.concatenate(list(patient_weights(patients, resamples=400, seed=1, strata=classes)))
    assert (weights[:, classes].sum(axis=1) == 20).all() and (weights[:, ~classes].sum(axis=1) == 60).all()
    assert (weights[:, 0::2] == weights[:, 1::2]).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(80), abs=0.2)
    assert weights.var(axis=0).mean() == pytest.approx(0.75 * (1 - 1 / 30) + 0.25 * (1 - 1 / 10), abs=0.05)


def test_the_same_strata_pair_methods_and_lose_no_class() -> None:
    rng = np.random.default_rng(4)
    labels = np.arange(30) < 3
    scores = rng.normal(size=(2, 30)) + labels

    def auc(k: int):
        return lambda weights: {"auc": roc_auc(labels, scores[k], weights)}

    first, second = (draws(auc(k), np.arange(30), resamples=300, strata=labels)["auc"] for k in (0, 1))
    assert np.isfinite(first).all() and np.isnan(draws(auc(0), np.arange(30), resamples=300)["auc"]).any()
    found = paired_difference(auc(0), auc(1), np.arange(30), resamples=300, strata=labels)["auc"]
    assert [found.interval.low, found.interval.high] == pytest.approx(np.percentile(first - second, [2.5, 97.5]))


def test_drawing_again_and_again_is_the_plain_loop() -> None:
    """Against a loop that draws rows by their numbers: the spread of a mean over patients with unequal many slides."""
    rng = np.random.default_rng(6)
    patients = np.repeat(np.arange(50), rng.integers(1, 4, 50))
    values = rng.normal(size=50)[patients]
    fast = draws(mean_of(values), patients, resamples=4000)["mean"]
    rows = [np.flatnonzero(patients == name) for name in range(50)]
    slow = [values[np.concatenate([rows[k] for k in rng.integers(0, 50, 50)])].mean() for _ in range(4000)]
    assert fast.mean() == pytest.approx(np.mean(slow), abs=0.01) and fast.std() == pytest.approx(np.std(slow), rel=0.06)
