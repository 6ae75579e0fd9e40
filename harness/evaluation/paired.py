"""Studies on the same slides in the same folds: their rows beside each other, and the same resamples for all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.bootstrap import RESAMPLES, Difference, Interval, draws, paired_difference
from harness.evaluation.rows import Rows
from harness.evaluation.study_scores import point_scores, study_statistic

Floats = NDArray[np.float64]
_NO_DIFFERENCE = Difference(math.nan, Interval(math.nan, math.nan, 0, 0), math.nan)


def paired_rows(studies: Sequence[Rows]) -> list[Rows]:
    """The rows of each study by unit and slide: row k is the same slide in the same unit in all of them.

    Raises:
        ValueError: the studies do not hold the same slides, repeats, folds and seeds, or have no slide ids.
    """
    rows = [_ordered(one) for one in studies]
    for one in rows[1:]:
        _same_rows(rows[0], one)
    return rows


def paired_draws(rows: Sequence[Rows], metric: str, *, resamples: int = RESAMPLES, seed: int = 0) -> list[Floats]:
    """A score of each study in resamples that draw the same patients in all, shape (resamples,) each.

    Args:
        rows: as :func:`paired_rows` gives them.
        metric: name of the score.
        resamples, seed: of the draws.
    """
    strata = rows[0].strata() if rows else None
    every = (draws(study_statistic(one), one.patient, resamples=resamples, seed=seed, strata=strata) for one in rows)
    return [one[metric] for one in every]


def compare(first: Rows, second: Rows, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Difference]:
    """Paired difference of two studies on the same slides in the same folds, first minus second.

    Raises:
        ValueError: the two do not hold the same slides, repeats, folds and seeds.
    """
    a, b = paired_rows([first, second])
    found = paired_difference(
        study_statistic(a), study_statistic(b), a.patient, resamples=resamples, seed=seed, strata=a.strata()
    )
    points = point_scores(a), point_scores(b)
    return {
        name: one if all(math.isfinite(point[name]) for point in points) else _NO_DIFFERENCE
        for name, one in found.items()
    }


def _same_rows(first: Rows, second: Rows) -> None:
    """See that two studies, in the same order, predict the same of the same slides.

    Raises:
        ValueError: they do not hold the same slides, repeats, folds and seeds.
    """
    if first.truth != second.truth:
        raise ValueError("the studies differ in what they predict")
    for name in ("slide", "patient", *first.truth, "repeat", "fold", "seed"):
        if not np.array_equal(getattr(first, name), getattr(second, name)):
            raise ValueError(f"the studies differ in their column {name!r}: a paired comparison needs the same rows")


def _ordered(data: Rows) -> Rows:
    """The rows by unit and slide, as a paired comparison needs them.

    Raises:
        ValueError: there are no slide ids.
    """
    columns = data.columns()
    if "slide" not in columns:
        raise ValueError("a paired comparison needs slide ids")
    return data.only(np.lexsort((columns["slide"], data.fold, data.seed, data.repeat)))
