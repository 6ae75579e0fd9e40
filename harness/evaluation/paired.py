"""Studies on the same slides in the same folds: their rows beside each other, and the same resamples for all."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.bootstrap import RESAMPLES, Difference, Interval, difference_of, draws
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
    return [one[metric] for one in drawn_together(rows, (metric,), resamples=resamples, seed=seed)]


def drawn_together(
    rows: Sequence[Rows], names: Collection[str] | None = None, *, resamples: int = RESAMPLES, seed: int = 0
) -> list[dict[str, Floats]]:
    """Scores of each study in resamples that draw the same patients in all: by name, shape (resamples,) each.

    Args:
        rows: as :func:`paired_rows` gives them.
        names: of the scores; None for all.
        resamples, seed: of the draws.
    """
    if not rows:
        return []
    statistics = [study_statistic(one, names) for one in rows]

    def every(weights: Floats) -> dict[str, Floats]:
        found = (statistic(weights) for statistic in statistics)
        return {f"{k} {name}": values for k, one in enumerate(found) for name, values in one.items()}

    drawn = draws(every, rows[0].patient, resamples=resamples, seed=seed, strata=rows[0].strata())
    shown = [name for name in rows[0].names if names is None or name in names]
    return [{name: drawn[f"{k} {name}"] for name in shown} for k in range(len(rows))]


def compare(first: Rows, second: Rows, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Difference]:
    """Paired difference of two studies on the same slides in the same folds, first minus second.

    Raises:
        ValueError: the two do not hold the same slides, repeats, folds and seeds.
    """
    a, b = paired_rows([first, second])
    return differences(a, b, drawn_together([a, b], resamples=resamples, seed=seed))


def differences(first: Rows, second: Rows, drawn: Sequence[Mapping[str, Floats]]) -> dict[str, Difference]:
    """Difference of two studies in each score that was drawn, first minus second.

    Args:
        first, second: as :func:`paired_rows` gives them.
        drawn: their scores in the same resamples, as :func:`drawn_together` gives them.
    """
    patients = len(np.unique(first.patient))
    points = point_scores(first), point_scores(second)
    return {
        name: difference_of(points[0][name] - points[1][name], values - drawn[1][name], n_patients=patients)
        if all(math.isfinite(point[name]) for point in points)
        else _NO_DIFFERENCE
        for name, values in drawn[0].items()
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
