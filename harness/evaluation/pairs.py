"""Every pair of some studies in one score: the difference with its interval, and whether it is there at all.

Four tests stand behind it. Which one is right depends on the score and on what is to be said:

- ``bootstrap``: patients are drawn, both studies with the same ones, in any score. It asks whether the trained models
  differ on other patients of the same kind. The default.
- ``delong``: the same question for the AUC, by its variance in closed form.
- ``mcnemar``: the same question for the accuracy of a single run, exact where few slides are decided differently.
- ``resampled-t``: whether the methods differ on other training sets: differences by fold, with the correction of Nadeau
  and Bengio for folds that share their training slides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from harness.evaluation.bootstrap import LEVEL, RESAMPLES, percentile_interval, two_sided
from harness.evaluation.delong import auc_differences
from harness.evaluation.mcnemar import mcnemar
from harness.evaluation.multiple import holm
from harness.evaluation.paired import paired_draws, paired_rows
from harness.evaluation.resampled_t import resampled_t
from harness.evaluation.rows import Rows
from harness.evaluation.study_delong import study_aucs
from harness.evaluation.study_scores import Predictions, point_scores

Floats = NDArray[np.float64]
Test = Literal["bootstrap", "delong", "mcnemar", "resampled-t"]
TESTS: tuple[Test, ...] = get_args(Test)
ALPHA = 0.05
POWER = 0.8


@dataclass(frozen=True)
class Pair:
    """Two studies in one score, second minus first; NaN for what is undefined.

    Attributes:
        first, second: numbers of the studies.
        value: the difference of their scores.
        low, high: its 95 % interval, for this pair alone.
        low_all, high_all: intervals of all pairs that hold together with 95 % (Bonferroni).
        raw: two-sided p-value of this pair alone.
        p_value: corrected for the number of pairs (Holm).
        detectable: the difference that a test of this pair at 5 % would find four times in five.
    """

    first: int
    second: int
    value: float
    low: float
    high: float
    low_all: float
    high_all: float
    raw: float
    p_value: float
    detectable: float

    @property
    def differs(self) -> bool:
        """Whether the two differ, among all pairs."""
        return self.p_value < ALPHA


@dataclass(frozen=True)
class _Tested:
    value: float
    low: float
    high: float
    low_all: float
    high_all: float
    p_value: float
    error: float


def compare_pairs(
    data: Sequence[Rows],
    metric: str,
    *,
    test: Test = "bootstrap",
    test_to_train: float = math.nan,
    resamples: int = RESAMPLES,
    seed: int = 0,
    drawn: Sequence[Floats] | None = None,
) -> list[Pair]:
    """Compare every pair of studies in one score.

    Args:
        data: test predictions of each study, with the same slides, repeats, folds and seeds.
        metric: name of the score.
        test: what p-values and intervals rest on.
        test_to_train: test slides over training slides of a fold; for ``resampled-t`` only.
        resamples, seed: of the bootstrap.
        drawn: the scores that it draws, as :func:`harness.evaluation.paired.paired_draws` gives them, where they are
            at hand.

    Raises:
        ValueError: the studies do not hold the same rows, or the test is not one of this score.
    """
    rows = paired_rows(data)
    pairs = list(combinations(range(len(rows)), 2))
    values = [point_scores(one)[metric] for one in rows]
    every = 1 - (1 - LEVEL) / max(1, len(pairs))
    if test == "delong":
        tested = _delong(rows, metric, every)
    elif test == "resampled-t":
        tested = _resampled(rows, metric, pairs, test_to_train, every)
    else:
        if drawn is None:
            drawn = paired_draws(rows, metric, resamples=resamples, seed=seed)
        tested = _drawn(rows, drawn, pairs, values, every)
        if test == "mcnemar":
            tested = _mcnemar(rows, metric, pairs, tested)
    corrected = holm([one.p_value for one in tested])
    needed = float(ndtri(1 - ALPHA / 2) + ndtri(POWER))
    return [
        Pair(a, b, one.value, one.low, one.high, one.low_all, one.high_all, one.p_value, float(p), needed * one.error)
        for (a, b), one, p in zip(pairs, tested, corrected, strict=True)
    ]


def unit_scores(data: Rows, metric: str) -> list[tuple[int, int, int, float]]:
    """(repeat, fold, seed, score) of each unit."""
    one = np.ones((1, len(data)))
    return [
        (*(int(getattr(data, name)[fold[0]]) for name in ("repeat", "fold", "seed")), float(value))  # type: ignore[misc]
        for folds in data.runs()
        for fold in folds
        for value in data.scores([fold], one)[metric]
    ]


def _drawn(
    rows: Sequence[Rows],
    drawn: Sequence[Floats],
    pairs: Sequence[tuple[int, int]],
    values: Sequence[float],
    every: float,
) -> list[_Tested]:
    patients = len(np.unique(rows[0].patient))
    found = []
    for a, b in pairs:
        value, apart = values[b] - values[a], drawn[b] - drawn[a]
        known = apart[np.isfinite(apart)]
        if not math.isfinite(value) or not len(known):
            found.append(_Tested(value, *[math.nan] * 6))
            continue
        alone = percentile_interval(apart, n_patients=patients)
        among = percentile_interval(apart, n_patients=patients, level=every)
        found.append(
            _Tested(value, alone.low, alone.high, among.low, among.high, two_sided(apart), float(known.std(ddof=1)))
        )
    return found


def _delong(rows: Sequence[Rows], metric: str, every: float) -> list[_Tested]:
    if metric != "auc":
        raise ValueError(f"DeLong's test is one of the AUC, not of {metric}")
    aucs = study_aucs(rows)
    alone, among = auc_differences(aucs), auc_differences(aucs, level=every)
    half = float(ndtri(0.5 + LEVEL / 2))
    return [
        _Tested(-d, -high, -low, -high_all, -low_all, p, (high - low) / 2 / half)
        for d, low, high, low_all, high_all, p in zip(
            *(column.tolist() for column in (alone.difference, alone.low, alone.high)),
            *(column.tolist() for column in (among.low, among.high, alone.p_value)),
            strict=True,
        )
    ]


def _resampled(
    rows: Sequence[Rows], metric: str, pairs: Sequence[tuple[int, int]], test_to_train: float, every: float
) -> list[_Tested]:
    by_fold = np.array([_fold_scores(one, metric) for one in rows])
    if by_fold.shape[1] < 2:
        raise ValueError("the resampled t-test needs two folds or more")
    differences = np.array([by_fold[b] - by_fold[a] for a, b in pairs])
    alone = resampled_t(differences, test_to_train)
    among = resampled_t(differences, test_to_train, level=every)
    count = by_fold.shape[1]
    errors = np.sqrt(1 / count + test_to_train) * differences.std(axis=1, ddof=1)
    columns = (alone.difference, alone.low, alone.high, among.low, among.high, alone.p_value, errors)
    return [_Tested(*values) for values in zip(*(np.asarray(one).tolist() for one in columns), strict=True)]


def _fold_scores(data: Rows, metric: str) -> list[float]:
    """The score of each fold of each repeat, averaged over seeds."""
    found: dict[tuple[int, int], list[float]] = {}
    for repeat, fold, _, value in unit_scores(data, metric):
        found.setdefault((repeat, fold), []).append(value)
    return [float(np.mean(values)) for _, values in sorted(found.items())]


def _mcnemar(
    rows: Sequence[Rows], metric: str, pairs: Sequence[tuple[int, int]], drawn: Sequence[_Tested]
) -> list[_Tested]:
    """Its p-values, beside the intervals of the bootstrap."""
    right = []
    for one in rows:
        if metric != "accuracy" or not isinstance(one, Predictions):
            raise ValueError(f"McNemar's test is one of the accuracy, not of {metric}")
        if len(one.runs()) > 1:
            raise ValueError(f"McNemar's test takes each slide once, and there are {len(one.runs())} runs")
        right.append(np.asarray(one.predicted) == np.asarray(one.label))
    p_values = [mcnemar(right[b], right[a], rows[0].patient).p_value for a, b in pairs]
    return [replace(tested, p_value=p) for tested, p in zip(drawn, p_values, strict=True)]
