"""Pairs of studies: the four tests agree with what they are made of, and false findings stay rare among many pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.evaluation.delong import auc_differences, delong
from harness.evaluation.mcnemar import mcnemar
from harness.evaluation.paired import compare
from harness.evaluation.pairs import compare_pairs, unit_scores
from harness.evaluation.study_scores import Predictions, point_scores, study_scores


def study(signal: float, seed: int, *, n: int = 60, folds: int = 3, seeds: int = 1) -> Predictions:
    """Predictions of ``n`` slides in folds; labels and patients are the same for every ``seed``."""
    label = np.tile([0, 1], n // 2)
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-(rng.normal(size=n * seeds) + signal * (2 * np.tile(label, seeds) - 1))))
    return Predictions(
        repeat=np.zeros(n * seeds, int),
        fold=np.tile(np.arange(n) // 2 % folds, seeds),
        seed=np.repeat(np.arange(seeds), n),
        patient=np.tile(np.arange(n), seeds),
        label=np.tile(label, seeds),
        probabilities=np.stack([1 - p, p], axis=1),
        predicted=(p > 0.5).astype(int),
        slide=np.tile(np.arange(n), seeds),
    )


def test_the_bootstrap_is_that_of_two_studies_and_pairs_are_corrected():
    data = [study(0.2, 1), study(0.9, 2), study(0.3, 3)]
    pairs = compare_pairs(data, "auc", resamples=400)
    assert [(one.first, one.second) for one in pairs] == [(0, 1), (0, 2), (1, 2)]
    alone = compare(data[1], data[0], resamples=400)["auc"]
    assert (pairs[0].value, pairs[0].low, pairs[0].high) == pytest.approx(
        (alone.value, alone.interval.low, alone.interval.high)
    )
    assert pairs[0].raw == alone.p_value and pairs[0].p_value >= pairs[0].raw
    assert pairs[0].low_all < pairs[0].low and pairs[0].high_all > pairs[0].high
    assert pairs[0].differs and not pairs[1].differs


def test_scores_are_those_of_the_study():
    one = study(0.5, 4, seeds=2)
    found = study_scores(one, resamples=2).scores
    for name in ("auc", "accuracy", "log_loss"):
        assert point_scores(one)[name] == pytest.approx(found[name].value)
    units = unit_scores(one, "auc")
    assert [unit[:3] for unit in units][:4] == [(0, 0, 0), (0, 1, 0), (0, 2, 0), (0, 0, 1)]
    assert np.std([unit[3] for unit in units], ddof=1) == pytest.approx(found["auc"].std_folds)


def test_delong_of_one_run_is_that_of_the_paper():
    a, b = (replace(study(s, k), fold=np.zeros(60, int)) for s, k in ((0.3, 5), (0.6, 6)))
    (pair,) = compare_pairs([a, b], "auc", test="delong")
    known = auc_differences(delong(a.label == 1, np.stack([a.probabilities[:, 1], b.probabilities[:, 1]])))
    assert (pair.value, pair.raw) == pytest.approx((-known.difference[0], known.p_value[0]))
    assert (pair.low, pair.high) == pytest.approx((-known.high[0], -known.low[0]))
    (drawn,) = compare_pairs([a, b], "auc", resamples=2000)
    assert (pair.low, pair.high) == pytest.approx((drawn.low, drawn.high), abs=0.03)
    assert pair.detectable == pytest.approx(drawn.detectable, rel=0.15)


def test_mcnemar_counts_slides_and_the_resampled_t_test_folds():
    a, b = study(0.3, 7), study(0.9, 8)
    (pair,) = compare_pairs([a, b], "accuracy", test="mcnemar", resamples=100)
    assert pair.raw == mcnemar(b.predicted == b.label, a.predicted == a.label).p_value
    a, b = study(0.3, 7, seeds=3, folds=5), study(0.9, 8, seeds=3, folds=5)
    (pair,) = compare_pairs([a, b], "auc", test="resampled-t", test_to_train=0.25)
    by_fold = np.array([[u[3] for u in unit_scores(one, "auc")] for one in (a, b)]).reshape(2, 3, 5).mean(axis=1)
    d = by_fold[1] - by_fold[0]
    assert pair.value == pytest.approx(d.mean())
    error = np.sqrt((1 / 5 + 0.25) * d.var(ddof=1))
    assert (pair.high - pair.low) / 2 == pytest.approx(2.776445 * error, rel=1e-5)


@pytest.mark.parametrize(
    ("test", "metric", "seeds", "said"),
    [
        ("delong", "accuracy", 1, "DeLong's test is one of the AUC"),
        ("mcnemar", "auc", 1, "McNemar's test is one of the accuracy"),
        ("mcnemar", "accuracy", 2, "there are 2 runs"),
    ],
)
def test_tests_of_other_scores_are_refused(test, metric, seeds, said):
    with pytest.raises(ValueError, match=said):
        compare_pairs([study(0.3, 1, seeds=seeds), study(0.4, 2, seeds=seeds)], metric, test=test, resamples=10)
    with pytest.raises(ValueError, match="two folds or more"):
        compare_pairs([study(0.3, 1, folds=1), study(0.4, 2, folds=1)], "auc", test="resampled-t", test_to_train=0.3)


def test_equal_methods_are_rarely_told_apart_among_three_pairs():
    """Family-wise, by DeLong: 100 draws, of which 5 % may err."""
    wrong = sum(
        any(
            pair.differs
            for pair in compare_pairs(
                [study(0.5, 1000 + 3 * k + j, n=80, folds=1) for j in range(3)], "auc", test="delong"
            )
        )
        for k in range(100)
    )
    assert wrong <= 10  # the 98 % quantile of Binomial(100, .05)


def test_scores_that_are_undefined_are_no_finding():
    one = study(0.5, 1, n=6, folds=6)
    lacking = replace(one, label=np.zeros(6, int))
    (pair,) = compare_pairs([lacking, lacking], "auc", resamples=20)
    assert np.isnan(pair.value) and pair.p_value == 1.0 and not pair.differs
