"""Scores of survival that weigh patients by the inverse of their chance to be still followed (IPCW).

Harrell's C-index depends on when patients were censored; these do not, as long as censoring has nothing to do with
risk. The chance is estimated from the patients that are scored, by Kaplan-Meier, anew in each resample. Beyond the time
at which it is zero nothing is known and nothing counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.evaluation.kaplan_meier import kaplan_meier, uncensored
from harness.evaluation.metrics import roc_auc

Floats = NDArray[np.float64]
_CELLS = 1 << 22
"""Pairs held at once; about 32 MB."""


def uno_c(
    times: ArrayLike, events: ArrayLike, risks: ArrayLike, weights: Floats | None = None, *, tau: float | None = None
) -> Floats:
    """Uno's concordance index, shape (R,): pairs weigh G(t)^-2, t being the first event's time.

    Uno et al. 2011, doi:10.1002/sim.4154.
    Equal risks are worth one half, and pairs count as in :func:`harness.evaluation.survival.c_index`. NaN without any.

    Args:
        times: until event or censoring, shape (n,).
        events: true where the event was seen, shape (n,).
        risks: larger means an earlier event, shape (n,).
        weights: how often each counts, shape (R, n), or None for weight one (R = 1).
        tau: events at or after this time do not count; None counts all.
    """
    t, seen, r, w = _given(times, events, risks, weights)
    inverse = _inverse(t, seen, w)
    won, pairs = np.zeros(len(w)), np.zeros(len(w))
    first = np.flatnonzero(seen & (t < (np.inf if tau is None else tau)))
    block = max(1, _CELLS // max(1, len(t)))
    for start in range(0, len(first), block):
        i = first[start : start + block]
        counts = ((t[i, None] < t) | ((t[i, None] == t) & ~seen)).astype(np.float64)
        worth = counts * ((r[i, None] > r) + 0.5 * (r[i, None] == r))
        scale = w[:, i] * inverse[:, i] ** 2
        pairs += (scale * (w @ counts.T)).sum(axis=1)
        won += (scale * (w @ worth.T)).sum(axis=1)
    return np.asarray(np.divide(won, pairs, out=np.full(len(w), np.nan), where=pairs > 0))


def dynamic_auc(
    times: ArrayLike, events: ArrayLike, risks: ArrayLike, at: ArrayLike, weights: Floats | None = None
) -> Floats:
    """AUC of those with the event up to a time against those without it by then, shape (R, m): cumulative/dynamic.

    Patients with the event weigh 1/G(their time) (Uno et al. 2007, doi:10.1198/016214507000000149); those censored
    before weigh nothing. NaN where there is nobody of either kind.

    Args:
        times, events, risks, weights: as in :func:`uno_c`.
        at: the m times.
    """
    t, seen, r, w = _given(times, events, risks, weights)
    case = w * seen * _inverse(t, seen, w)
    moments = np.atleast_1d(np.asarray(at, np.float64))
    return np.stack([roc_auc(t <= one, r, np.where(t <= one, case, w)) for one in moments], axis=1)


def mean_dynamic_auc(
    times: ArrayLike, events: ArrayLike, risks: ArrayLike, at: ArrayLike, weights: Floats | None = None
) -> Floats:
    """Mean of :func:`dynamic_auc` over times, shape (R,), weighted by the drop of the survival curve up to each.

    It is the integral of AUC(t) by survival between the first and last of the times (Lambert and Chevret 2016,
    doi:10.1177/0962280213515571); the curve is that of the patients as they are.
    """
    moments = np.unique(np.asarray(at, np.float64))
    curve = kaplan_meier(times, events)
    survival = np.r_[1.0, curve.survival][np.searchsorted(curve.time, moments, side="right")]
    drop = -np.diff(survival, prepend=1.0)
    areas = dynamic_auc(times, events, risks, moments, weights)
    defined = np.isfinite(areas)
    total = (defined * drop).sum(axis=1)
    summed = (np.where(defined, areas, 0.0) * drop).sum(axis=1)
    return np.asarray(np.divide(summed, total, out=np.full(len(areas), np.nan), where=total > 0))


def survival_brier(
    times: ArrayLike, events: ArrayLike, survival: ArrayLike, at: ArrayLike, weights: Floats | None = None
) -> Floats:
    """Brier score of the probability to outlive each time, shape (R, m): Graf et al., Stat Med 1999;18:2529.

    Args:
        times, events: shape (n,).
        survival: predicted probability to outlive each of the times, shape (n, m).
        at: the m times, within follow-up.
        weights: shape (R, n), or None.
    """
    s, moments = np.asarray(survival, np.float64), np.atleast_1d(np.asarray(at, np.float64))
    t, seen, _, w = _given(times, events, np.zeros(len(s)), weights)
    case = w * seen * _inverse(t, seen, w)
    steps, free = uncensored(t, seen, w)
    chance = np.c_[np.ones(len(w)), free][:, np.searchsorted(steps, moments, side="right")]
    known = np.divide(1.0, chance, out=np.zeros_like(chance), where=chance > 0)
    gone = t[:, None] <= moments
    return np.asarray((case @ (gone * s**2) + (w @ (~gone * (1 - s) ** 2)) * known) / w.sum(axis=1)[:, None])


def integrated_brier(
    times: ArrayLike, events: ArrayLike, survival: ArrayLike, at: ArrayLike, weights: Floats | None = None
) -> Floats:
    """Mean of :func:`survival_brier` from the first to the last of the times, shape (R,), by the trapezoidal rule.

    Args:
        times, events, survival, at, weights: as there; ``at`` ascending, at least two.

    Raises:
        ValueError: the times do not ascend, or are fewer than two.
    """
    moments = np.asarray(at, np.float64)
    if len(moments) < 2 or (np.diff(moments) <= 0).any():
        raise ValueError("the integral needs at least two times, ascending")
    found = survival_brier(times, events, survival, moments, weights)
    return np.asarray(np.trapezoid(found, moments, axis=1) / (moments[-1] - moments[0]))


def _inverse(t: Floats, seen: NDArray[np.bool_], w: Floats) -> Floats:
    """1/G at each patient's time, shape (R, n); 0 where G is."""
    steps, free = uncensored(t, seen, w)
    chance = free[:, np.searchsorted(steps, t)]
    return np.asarray(np.divide(1.0, chance, out=np.zeros_like(chance), where=chance > 0))


def _given(
    times: ArrayLike, events: ArrayLike, risks: ArrayLike, weights: Floats | None
) -> tuple[Floats, NDArray[np.bool_], Floats, Floats]:
    t = np.asarray(times, dtype=np.float64)
    w = np.ones((1, len(t))) if weights is None else weights
    return t, np.asarray(events).astype(bool), np.asarray(risks, dtype=np.float64), w
