"""Ranks of several methods on the same slides, and how sure they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.evaluation.bootstrap import LEVEL, RESAMPLES
from harness.evaluation.paired import paired_draws, paired_rows
from harness.evaluation.rows import Rows

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RankInterval:
    """Between which ranks a method lies.

    Attributes:
        low, high: the best and the worst rank of the interval; 1 is the best of all.
        resamples: how many resamples it rests on.
    """

    low: int
    high: int
    resamples: int


def bootstrap_ranks(
    data: Sequence[Rows],
    metric: str,
    *,
    lower: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> list[RankInterval | None]:
    """Intervals of the ranks under resampling of patients; each resample draws the same patients for all methods.

    Args:
        data: test predictions of each study.
        metric: name of the score.
        lower: whether a smaller score is better.
        resamples: how many to draw.
        seed: of the draws.
        level: coverage.

    Raises:
        ValueError: the studies do not hold the same slides, repeats, folds and seeds.
    """
    rows = paired_rows(data)
    drawn = paired_draws(rows, metric, resamples=resamples, seed=seed)
    several = bool(rows) and len(np.unique(rows[0].patient)) > 1
    return rank_intervals(drawn, lower=lower, level=level) if several else [None] * len(rows)


def rank_intervals(drawn: ArrayLike, *, lower: bool = False, level: float = LEVEL) -> list[RankInterval | None]:
    """Percentiles of the ranks in resamples; of methods that tie in one, each may take any of the ranks they share.

    Percentiles of ranks are ranks: they are rounded outwards. A resample counts where the score of every method is
    defined in it.

    Args:
        drawn: the score of each of k methods in each of R resamples, shape (k, R).
        lower: whether a smaller score is better.
        level: coverage.

    Returns:
        An interval for each method; None for all where less than half of the resamples count.
    """
    scores = np.asarray(drawn, dtype=np.float64) * (-1 if lower else 1)
    defined = scores[:, np.isfinite(scores).all(axis=0)]
    if not defined.shape[1] or 2 * defined.shape[1] < scores.shape[1]:
        return [None] * len(scores)
    tails = 50 * (1 - level), 50 * (1 + level)
    found: list[RankInterval | None] = []
    for own in defined:
        best = 1 + (defined > own).sum(axis=0)
        worst = (defined >= own).sum(axis=0)
        low = int(np.percentile(best, tails[0], method="lower"))
        high = int(np.percentile(worst, tails[1], method="higher"))
        found.append(RankInterval(low, high, defined.shape[1]))
    return found


def shared_ranks(count: int, differ: Collection[tuple[int, int]]) -> list[int]:
    """The rank of each method: one more than the number of methods that are better and differ from it.

    Methods that none can be told to be better than share rank 1, and none has a better rank than a method whose score
    is better. That two methods do not differ is not transitive, so two of different ranks may still not differ; tie
    groups (:func:`harness.evaluation.ties.letters`) say which.

    Args:
        count: number of methods, the best first.
        differ: pairs of places in that order that differ.
    """
    pairs = {(min(pair), max(pair)) for pair in differ}
    ranks = [1 + sum((better, own) in pairs for better in range(own)) for own in range(count)]
    return list(accumulate(ranks, max))
