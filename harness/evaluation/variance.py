"""What the scores of a study vary by: folds, seeds, and the patients that happen to be tested.

The score of fold f with seed k is taken as mean + fold(f) + patients(f) + seed(f, k), all independent with mean zero.
Seeds are nested in folds: the same seed in another fold is another training. The components are those of the one-way
analysis of variance with random effects (method of moments; Searle, Casella and McCulloch 1992, chapter 3), and that of
the patients is the bootstrap's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import nct
from scipy.stats import t as student

from harness.evaluation.bootstrap import RESAMPLES, draws
from harness.evaluation.rows import Rows

Floats = NDArray[np.float64]
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Variance:
    """Components of the variance of one score; NaN where the units do not tell.

    Attributes:
        seed: between trainings of the same fold; needs a fold with two seeds.
        fold: between folds beyond the patients that they test: training sets, sites. Not below 0.
        patients: of the score of one fold, by the sampling of its patients.
        folds: folds (of all repeats).
        seeds: trainings per fold on average.
    """

    seed: float
    fold: float
    patients: float
    folds: int
    seeds: float

    @property
    def of_mean(self) -> float:
        """Variance of the study's score: (fold + patients + seed / seeds) / folds."""
        return (self.fold + self.patients + self.seed / self.seeds) / self.folds


def components(folds: ArrayLike, scores: ArrayLike, *, patients: float = math.nan) -> Variance:
    """Components from the scores of units.

    seed is the mean square within folds, and fold + patients is (mean square between - within) / n0, with n0 the number
    of seeds per fold (for unequal numbers, their mean less their variance over their sum).

    Args:
        folds: fold (and repeat) of each unit, shape (u,).
        scores: of each unit, shape (u,).
        patients: variance of the score of one fold by the sampling of patients; NaN where unknown, and then ``fold``
            holds both.
    """
    s = np.asarray(scores, np.float64)
    _, fold, size = np.unique(np.asarray(folds), return_inverse=True, return_counts=True)
    groups, units = len(size), len(s)
    means = np.bincount(fold, s) / size
    within = float(((s - means[fold]) ** 2).sum() / (units - groups)) if units > groups else math.nan
    known = 0.0 if math.isnan(patients) else patients
    if groups < 2:
        return Variance(within, math.nan, patients, groups, units / groups)
    between = float((size * (means - s.mean()) ** 2).sum() / (groups - 1))
    n0 = (units - (size**2).sum() / units) / (groups - 1)
    beyond = between if math.isnan(within) else (between - within) / n0
    return Variance(within, max(0.0, float(beyond) - known), patients, groups, units / groups)


def study_variance(data: Rows, metric: str, *, resamples: int = RESAMPLES // 4, seed: int = 0) -> Variance:
    """Components of a score of a study, from its predictions.

    Patients are resampled within each fold, among those with the same classes, with all seeds of the fold at once.
    Within a fold, seeds see the same patients, so that their spread is that of training.

    Args:
        data: test predictions.
        metric: name of the score.
        resamples: of each fold.
        seed: of the resampling.
    """
    folds: dict[tuple[int, int], list[NDArray[np.intp]]] = {}
    for unit in (rows for run in data.runs() for rows in run):
        folds.setdefault((int(data.repeat[unit[0]]), int(data.fold[unit[0]])), []).append(unit)
    sampled = [_sampling_variance(data, units, metric, resamples, seed) for units in folds.values()]
    numbers = [k for k, units in enumerate(folds.values()) for _ in units]
    one = np.ones((1, len(data)))
    scores = [float(data.scores([unit], one)[metric][0]) for units in folds.values() for unit in units]
    return components(numbers, scores, patients=float(np.mean(sampled)))


def seeds_needed(
    difference: float, seed_variance: tuple[float, float], folds: int, *, power: float = 0.8, level: float = 0.05
) -> int | None:
    """Seeds per fold with which two methods that differ this much are told apart, on these patients and folds.

    More seeds average out training, and nothing else: what the interval over patients leaves open stays open. The test
    is that of two means of ``folds`` × seeds trainings, its power that of the noncentral t distribution.

    Args:
        difference: of the mean scores, that is to be found.
        seed_variance: :attr:`Variance.seed` of both methods.
        folds: trained per seed.
        power: chance to find it.
        level: of the two-sided test.

    Returns:
        At least 2; None where 10,000 do not suffice (no difference).

    Raises:
        ValueError: the variances are unknown.
    """
    noise = sum(seed_variance)
    if not (noise >= 0 and math.isfinite(noise)):
        raise ValueError("the variance between seeds is unknown: run at least two seeds of one fold for both methods")
    if noise == 0:
        return 2 if difference else None
    low, high = 2, MOST_SEEDS
    if _power(difference, noise, folds, high, level) < power:
        return None
    while low < high:
        middle = (low + high) // 2
        if _power(difference, noise, folds, middle, level) >= power:
            high = middle
        else:
            low = middle + 1
    return low


def _power(difference: float, noise: float, folds: int, seeds: int, level: float) -> float:
    freedom = 2 * folds * (seeds - 1)
    shift = abs(difference) / math.sqrt(noise / (folds * seeds))
    limit = student.ppf(1 - level / 2, freedom)
    found = float(nct.sf(limit, freedom, shift) + nct.cdf(-limit, freedom, shift))
    return float(shift > limit) if math.isnan(found) else found  # NaN: too far out for the distribution's series


def _sampling_variance(data: Rows, units: list[NDArray[np.intp]], metric: str, resamples: int, seed: int) -> float:
    """Bootstrap variance, over patients, of the mean score of some units of one fold."""
    rows = np.concatenate(units)
    part = data.only(rows)
    places = np.split(np.arange(len(rows)), np.cumsum([len(unit) for unit in units])[:-1])

    def mean(weights: Floats) -> dict[str, Floats]:
        return {metric: np.mean([part.scores([unit], weights)[metric] for unit in places], axis=0)}

    drawn = draws(mean, part.patient, resamples=resamples, seed=seed, strata=part.strata())[metric]
    defined = drawn[np.isfinite(drawn)]
    return float(defined.var(ddof=1)) if len(defined) > 1 else math.nan
