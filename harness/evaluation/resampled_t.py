"""The corrected resampled t-test: two methods over the folds and repeats of a cross-validation.

Trainings of different folds share most of their data, so their scores are no independent draws and the plain t-test
finds differences that are none. Nadeau and Bengio (Machine Learning 2003;52:239, section 4.2) add the ratio of test to
training size to the 1/J of the variance of a mean of J.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from harness.evaluation.bootstrap import LEVEL

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ResampledT:
    """Tests of mean differences, each entry of the shape of the differences without their last axis.

    Attributes:
        difference: mean over folds and repeats.
        low, high: its interval.
        t: the statistic, NaN where the differences do not vary.
        p_value: two-sided, with J - 1 degrees of freedom. 1 where all differences are zero; NaN where they are equal
            but not zero, or fewer than two.
    """

    difference: Floats
    low: Floats
    high: Floats
    t: Floats
    p_value: Floats


def resampled_t(differences: ArrayLike, test_to_train: float, *, level: float = LEVEL) -> ResampledT:
    """Test whether differences over folds and repeats have mean zero.

    t = mean / sqrt((1/J + test_to_train) s²), s² the variance of the J differences.

    Args:
        differences: of the scores of two methods in the same unit, shape (..., J): fold by fold, in all repeats and
            seeds. Average over the seeds of a fold before: a seed draws no new slides.
        test_to_train: test slides over training slides; 1/(k - 1) for k folds that leave no validation part.
        level: coverage of the interval.
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim < 1 or d.shape[-1] < 1:
        raise ValueError("the test needs the differences of at least one fold")
    if not test_to_train > 0:
        raise ValueError(f"test_to_train is test slides over training slides, above 0, not {test_to_train}")
    count, mean = d.shape[-1], d.mean(axis=-1)
    spread = d.std(axis=-1, ddof=1) if count > 1 else np.full(mean.shape, np.nan)
    size = np.abs(d).max(axis=-1)
    error = np.sqrt(1 / count + test_to_train) * np.where(spread > 1e-12 * size, spread, np.nan)
    t = np.asarray(mean / error)
    p_value = np.asarray(2 * stdtr(max(1, count - 1), -np.abs(t)))
    p_value = np.where((size == 0) & (count > 1), 1.0, p_value)
    half = stdtrit(max(1, count - 1), 0.5 + level / 2) * np.where(size == 0, 0.0, error)
    if count < 2:
        half = np.full(mean.shape, np.nan)
    return ResampledT(np.asarray(mean), np.asarray(mean - half), np.asarray(mean + half), t, p_value)
