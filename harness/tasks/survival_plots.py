"""The figure of a survival study: Kaplan-Meier curves by predicted risk. It comes as the bytes of a PNG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.kaplan_meier import KaplanMeier, log_rank
from harness.evaluation.risk_groups import risk_groups
from harness.evaluation.survival import SurvivalPredictions
from harness.tasks.figure import axes_at, palette, png

Floats = NDArray[np.float64]
_NAMES = ("lower risk", "higher risk")
_TICKS = 5


def kaplan_meier_figure(data: SurvivalPredictions, *, title: str) -> bytes | None:
    """Survival of the patients with lower and with higher predicted risk, with 95 % bands, and the log-rank test.

    Each patient counts once; the groups are those of :func:`harness.evaluation.risk_groups.risk_groups`. Crosses are
    censored patients, numbers below the axis those still followed.

    Args:
        data: test predictions of a study.
        title: what the predictions are of.

    Returns:
        A PNG, or None where the patients make no two groups.
    """
    found = risk_groups(data)
    if len(found.curves) < 2:
        return None
    from matplotlib.ticker import MaxNLocator

    test = log_rank(found.time, found.event, found.group)
    with axes_at((4.8, 4.9), [(0.95, 1.25, 3.7, 3.2)]) as (figure, (axes,)):
        last = float(found.time.max())
        ticks = np.asarray(MaxNLocator(_TICKS).tick_values(0, last))
        ticks = ticks[(ticks >= 0) & (ticks <= last)]
        for row, (colour, (group, curve)) in enumerate(zip(palette(2), found.curves.items(), strict=True)):
            at = np.r_[0.0, curve.time]
            axes.step(at, np.r_[1.0, curve.survival], where="post", color=colour, linewidth=2, label=_NAMES[group])
            low, high = (np.r_[1.0, np.nan_to_num(one)] for one in (curve.low, curve.high))
            axes.fill_between(at, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
            gone = curve.censored > 0
            axes.plot(curve.time[gone], curve.survival[gone], "+", color=colour, markersize=6)
            for x, many in zip(ticks, followed(curve, ticks), strict=True):
                axes.text(x, -0.27 - 0.07 * row, f"{many:.0f}", color=colour, ha="center", va="top", fontsize=8)
        axes.text(0, -0.2, "still followed", ha="left", va="top", fontsize=8)
        axes.set(xlim=(0, last * 1.02), ylim=(-0.01, 1.02), xlabel="time", ylabel="without event", title=title)
        axes.set_xticks(ticks, [f"{one:.3g}" for one in ticks])
        axes.legend(loc="upper right", title=_said(test.p_value), title_fontsize=9, alignment="left")
        return png(figure)


def followed(curve: KaplanMeier, at: Floats) -> Floats:
    """How many are still followed at each time."""
    return np.asarray(np.r_[curve.at_risk, 0.0][np.searchsorted(curve.time, at, side="left")])


def _said(p_value: float) -> str:
    if not np.isfinite(p_value):
        return "log-rank: undefined"
    return "log-rank p < 0.001" if p_value < 0.001 else f"log-rank p = {p_value:.3f}"
