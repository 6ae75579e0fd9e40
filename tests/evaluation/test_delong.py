"""DeLong's variance is that of its definition, with one slide per patient and with several, and keeps its error rates.

The independent implementation is the definition itself: structural components from all m × n pairs, and Obuchowski's
sums over patients, written as loops.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from harness.evaluation.delong import Aucs, auc_differences, auc_interval, delong


def components(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """AUC, and the structural components of positives and negatives, from all pairs."""
    x, y = scores[labels == 1], scores[labels == 0]
    won = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
    return won.mean(), won.mean(axis=1), won.mean(axis=0)


def covariance_of_pairs(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    found = [components(labels, one) for one in scores]
    s10 = np.atleast_2d(np.cov([one[1] for one in found]))
    s01 = np.atleast_2d(np.cov([one[2] for one in found]))
    return s10 / (labels == 1).sum() + s01 / (labels == 0).sum()


def covariance_of_clusters(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray) -> np.ndarray:
    m, n = (labels == 1).sum(), (labels == 0).sum()
    names = np.unique(patients)
    i10 = len(np.unique(patients[labels == 1]))
    i01 = len(np.unique(patients[labels == 0]))
    sums = []
    for one in scores:
        auc, v10, v01 = components(labels, one)
        of_x, of_y = patients[labels == 1], patients[labels == 0]
        a = [v10[of_x == name].sum() - (of_x == name).sum() * auc for name in names]
        b = [v01[of_y == name].sum() - (of_y == name).sum() * auc for name in names]
        sums.append((np.array(a), np.array(b)))
    out = np.empty((len(scores), len(scores)))
    for r, (ar, br) in enumerate(sums):
        for s, (a_s, bs) in enumerate(sums):
            s10 = i10 / (i10 - 1) * (ar @ a_s) / m
            s01 = i01 / (i01 - 1) * (br @ bs) / n
            s11 = len(names) / (len(names) - 1) * np.array([ar @ bs, a_s @ br])
            out[r, s] = s10 / m + s01 / n + s11.sum() / (m * n)
    return out


def drawn(seed: int, *, n: int = 40, methods: int = 3, decimals: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 3 == 0).astype(int)
    return labels, np.round(rng.normal(size=(methods, n)) + labels, decimals)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0, 1, 8]))
def test_it_is_the_covariance_of_structural_components(seed: int, decimals: int) -> None:
    labels, scores = drawn(seed, decimals=decimals)
    found = delong(labels, scores)
    assert found.auc == pytest.approx([roc_auc_score(labels, one) for one in scores])
    assert found.covariance == pytest.approx(covariance_of_pairs(labels, scores))
    assert (found.positives, found.negatives) == (14, 26)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_with_patients_it_is_obuchowskis(seed: int) -> None:
    labels, scores = drawn(seed)
    patients = np.random.default_rng(seed + 1).integers(0, 15, len(labels))
    assert delong(labels, scores, patients).covariance == pytest.approx(
        covariance_of_clusters(labels, scores, patients), abs=1e-12
    )


def test_one_slide_per_patient_is_no_cluster() -> None:
    labels, scores = drawn(3)
    plain, clustered = delong(labels, scores), delong(labels, scores, np.arange(len(labels)))
    assert clustered.covariance == pytest.approx(plain.covariance)


def test_slides_of_one_patient_are_no_new_evidence() -> None:
    labels, scores = drawn(4, decimals=8)
    once = delong(labels, scores).covariance
    thrice = delong(np.repeat(labels, 3), np.repeat(scores, 3, axis=1), np.repeat(np.arange(len(labels)), 3))
    assert thrice.covariance == pytest.approx(once, rel=1e-9)


def test_only_the_order_of_scores_counts() -> None:
    labels, scores = drawn(5)
    assert delong(labels, np.exp(scores)).covariance == pytest.approx(delong(labels, scores).covariance)
    flipped = delong(1 - labels, -scores)
    assert flipped.covariance == pytest.approx(delong(labels, scores).covariance)


def test_pairs_are_those_of_two_methods_alone() -> None:
    labels, scores = drawn(6, methods=5)
    found = auc_differences(delong(labels, scores))
    assert len(found.first) == 10
    for k, (a, b) in enumerate(zip(found.first, found.second, strict=True)):
        one = auc_differences(delong(labels, scores[[a, b]]))
        contrast = covariance_of_pairs(labels, scores[[a, b]])
        error = np.sqrt(contrast[0, 0] + contrast[1, 1] - 2 * contrast[0, 1])
        assert found.z[k] == pytest.approx(one.z[0]) == pytest.approx(found.difference[k] / error)
        assert found.p_value[k] == pytest.approx(2 * norm.sf(abs(found.z[k])))
        assert (found.low[k] <= 0 <= found.high[k]) == (found.p_value[k] >= 0.05)


def test_the_same_scores_do_not_differ_and_no_variance_says_nothing() -> None:
    labels, scores = drawn(7)
    same = auc_differences(delong(labels, [scores[0], 2 * scores[0]]))
    assert same.p_value[0] == 1 and same.difference[0] == same.low[0] == same.high[0] == 0
    sure_and_blind = auc_differences(delong(labels, [labels, np.zeros(len(labels))]))
    assert sure_and_blind.difference[0] == 0.5 and np.isnan(sure_and_blind.p_value[0])


def test_what_cannot_be_known_is_nan() -> None:
    one_class = delong([1, 1, 1], [[0.1, 0.2, 0.3]])
    assert np.isnan(one_class.auc).all() and np.isnan(one_class.covariance).all()
    one_positive = delong([1, 0, 0], [[0.1, 0.2, 0.3]])
    assert one_positive.auc[0] == 0 and np.isnan(auc_interval(one_positive)).all()
    assert np.isnan(auc_differences(delong([1, 0, 0], [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]])).p_value).all()
    with pytest.raises(ValueError, match="one column per slide"):
        delong([1, 0], [[0.1, 0.2, 0.3]])


def test_intervals_stay_within_zero_and_one_and_agree_in_the_middle() -> None:
    labels, scores = drawn(8, n=400, decimals=8)
    found = delong(labels, scores)
    logit, plain = auc_interval(found), auc_interval(found, scale="plain")
    assert np.asarray(logit) == pytest.approx(np.asarray(plain), abs=0.01)
    narrow = Aucs(np.array([0.99]), np.array([[0.01**2]]), 20, 20)
    assert 0.9 < auc_interval(narrow)[0][0] < auc_interval(narrow)[1][0] < 1
    assert auc_interval(narrow, scale="plain")[1][0] == 1


def test_a_perfect_auc_has_a_limit_that_nears_one_with_more_patients() -> None:
    lows = [auc_interval(delong(np.arange(n) % 2, np.arange(n) % 2))[0][0] for n in (6, 20, 200, 2000)]
    assert lows == sorted(lows) and 0.4 < lows[0] < 0.8 and 0.998 < lows[-1] < 1
    m = n = 10
    theta = lows[1]
    spread = (1 + 9 * (1 - theta) / (2 - theta) + 9 * theta / (1 + theta)) * theta * (1 - theta) / (m * n)
    assert (1 - theta) / np.sqrt(spread) == pytest.approx(norm.ppf(0.975))
    worst = auc_interval(delong(np.arange(20) % 2, -(np.arange(20) % 2)))
    assert worst[0][0] == 0 and worst[1][0] == pytest.approx(1 - lows[1])


TRIALS = 1000


def simulated(seed: int, clustered: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores of two equally good methods in every trial, (2 * TRIALS, n), and patients.

    Every patient has one slide, or three that share most of their noise; one patient in three then has slides of both
    classes.
    """
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(60), 3) if clustered else np.arange(120)
    labels = np.where(clustered & (patients % 3 == 0), np.arange(len(patients)) % 2, patients % 2)
    of_patient = rng.normal(size=(TRIALS, 2, 120))[:, :, patients]
    noise = np.sqrt(0.6) * of_patient + np.sqrt(0.4) * rng.normal(size=(TRIALS, 2, len(patients)))
    correlated = 0.8 * noise + 0.6 * noise[:, ::-1]  # unit variance but for what the two share: they agree in part
    scores = correlated / np.sqrt(0.8**2 + 0.6**2) + labels
    return labels, scores.reshape(2 * TRIALS, -1), patients


def covered(found: Aucs, **options: str) -> float:
    truth = norm.cdf(1 / np.sqrt(2))
    low, high = auc_interval(found, **options)
    return float(((low <= truth) & (truth <= high)).mean())


@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_cover_and_equal_methods_are_rarely_called_different(clustered: bool) -> None:
    labels, scores, patients = simulated(1, clustered)
    found = delong(labels, scores, patients if clustered else None)  # all trials have the same labels: one call
    assert 0.93 <= covered(found) <= 0.97
    assert 0.93 <= covered(found, scale="plain") <= 0.97
    pairs = [(2 * k, 2 * k + 1) for k in range(TRIALS)]
    each = [Aucs(found.auc[[a, b]], found.covariance[np.ix_([a, b], [a, b])], 60, 60) for a, b in pairs]
    called = np.mean([auc_differences(one).p_value[0] < 0.05 for one in each])
    assert abs(called - 0.05) <= 3 * np.sqrt(0.05 * 0.95 / TRIALS)
    if clustered:
        assert covered(delong(labels, scores)) < 0.9  # what taking the slides for patients would claim
