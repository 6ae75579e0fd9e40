"""Deciding between two methods while runs are still being added: a test whose error holds whenever one stops.

What is tested is training chance alone. A run trains both methods with one seed on the folds of one repeat, and its
difference is that of the two scores on the same test slides. The hypothesis is that a run is as likely to favour one
method by some amount as the other: its difference is symmetric about zero. Two methods whose scores have the same
distribution over seeds satisfy it exactly, whatever that distribution is, since their seeds are drawn independently.
Slides and patients are given: that all runs test the same ones makes the differences dependent over other patients, and
no statement about these follows.

Given the sizes of the differences, their signs are fair coins under the hypothesis. A bettor who stakes a share
tanh(x) of the wealth on the next sign has (1 + sign tanh(x)) of it afterwards, where x may depend on everything seen
before and on the size of the difference itself. Wealth that starts at 1 exceeds 1/alpha with probability alpha at most,
over all times together (Ville 1939; for symmetric differences de la Peña, Annals of Probability 1999;27:537, with
1 + tanh(x) = exp(x)/cosh(x)). The wealth here is the mean of bettors with x = c |d| / s for several c and both signs, s
the root mean square of the differences so far, so that the unit of the score does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
ALPHA = 0.05
STAKES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""How boldly bettors stake: small ones find small effects in many runs, large ones large effects in few."""
_STEPS = 100
Outcome = Literal["first", "second", "equivalent", "open"]


@dataclass(frozen=True)
class Decision:
    """What has been decided after some runs.

    Attributes:
        outcome: which method is better; ``equivalent`` within a margin; ``open`` for not yet.
        runs: how many.
        wealth: evidence against equal methods; 20 decides at 5 %.
        p_value: 1 over the largest wealth so far: it holds at any time.
        low, high: interval of the middle of the difference, second minus first, that holds at all times together with
            95 %; infinite while there are too few runs.
    """

    outcome: Outcome
    runs: int
    wealth: float
    p_value: float
    low: float
    high: float


def wealth(differences: ArrayLike) -> Floats:
    """The bettors' mean wealth after each run, (..., n) for differences of shape (..., n)."""
    d = np.asarray(differences, dtype=np.float64)
    counts = np.arange(1, d.shape[-1] + 1)
    scale = np.sqrt(np.cumsum(d**2, axis=-1) / counts)
    x = np.divide(d, scale, out=np.zeros_like(d), where=scale > 0)
    total = np.zeros_like(d)
    for stake in STAKES:
        share = np.tanh(stake * x)
        for sign in (1.0, -1.0):
            total += np.exp(np.cumsum(np.log1p(np.clip(sign * share, -1 + 1e-12, None)), axis=-1))
    return np.asarray(total / (2 * len(STAKES)))


def interval(differences: ArrayLike, *, alpha: float = ALPHA) -> tuple[float, float]:
    """Middles of the difference that were never refused: limits that hold at all times together.

    Args:
        differences: of the runs so far, shape (n,).
        alpha: 1 - coverage.
    """
    d = np.asarray(differences, dtype=np.float64)
    if not len(d):
        return -np.inf, np.inf
    middle, reach = float(np.median(d)), float(np.abs(d - np.median(d)).max())
    if reach == 0.0:
        return (middle, middle) if _never(d - middle - 1e-12, alpha) is False else (-np.inf, np.inf)
    return -_limit(-d, -middle, reach, alpha), _limit(d, middle, reach, alpha)


def decide(
    differences: ArrayLike, *, margin: float | None = None, lower_is_better: bool = False, alpha: float = ALPHA
) -> Decision:
    """What the runs so far decide; may be asked after every run.

    Args:
        differences: second minus first, in the order of the runs, shape (n,).
        margin: differences within it do not matter; None stops for a difference alone.
        lower_is_better: of the score.
        alpha: chance of any wrong decision over all times.
    """
    d = np.asarray(differences, dtype=np.float64)
    if not len(d):
        return Decision("open", 0, 1.0, 1.0, -np.inf, np.inf)
    every = wealth(d)
    top = float(every.max())
    low, high = interval(d, alpha=alpha)
    outcome: Outcome = "open"
    if top >= 1 / alpha:
        at = int(np.argmax(every >= 1 / alpha))
        outcome = "second" if (d[: at + 1].mean() > 0) != lower_is_better else "first"
    elif margin is not None and -margin < low and high < margin:
        outcome = "equivalent"
    return Decision(outcome, len(d), float(every[-1]), min(1.0, 1 / top), low, high)


def _never(d: Floats, alpha: float) -> bool:
    """Whether a middle was never refused, ``d`` being the differences from it."""
    return bool(wealth(d).max() < 1 / alpha)


def _limit(d: Floats, middle: float, reach: float, alpha: float) -> float:
    """The largest middle that was not refused, to one part in :data:`_STEPS` of the reach; infinite without one."""
    far = middle + 4 * reach
    if _never(d - far, alpha):
        return np.inf
    steps = np.linspace(middle, far, 4 * _STEPS + 1)
    kept = wealth(d[None] - steps[:, None]).max(axis=-1) < 1 / alpha
    last = int(np.flatnonzero(kept)[-1]) if kept.any() else 0
    return float(steps[min(last + 1, len(steps) - 1)])
