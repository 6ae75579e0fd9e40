"""The drawing of a survival study: Kaplan-Meier curves by predicted risk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.kaplan_meier import KaplanMeier, log_rank
from harness.evaluation.risk_groups import risk_groups
from harness.evaluation.survival import SurvivalPredictions
from harness.tasks.survival_plots import followed
from harness.tasks.svg import MAIN, MUTED, WARM, Drawing, axes_in, svg
from harness.tasks.thinning import thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
_NAMES, _COLOURS = ("lower risk", "higher risk"), (MAIN, WARM)
_SIZE, _BOX = (4.4, 4.5), (0.75, 1.1, 3.5, 3.25)
_TICKS = 5
_MARK = 0.018
_APART = 0.008
"""Marks of censoring that are nearer to each other than this share of the axis are one."""


def kaplan_meier_drawing(data: SurvivalPredictions) -> tuple[Drawing, ...]:
    """Survival of the patients with lower and with higher predicted risk, with 95 % bands, and the log-rank test.

    As :func:`harness.tasks.survival_plots.kaplan_meier_figure`; none where the patients make no two groups.
    """
    found = risk_groups(data)
    if len(found.curves) < 2:
        return ()
    from matplotlib.ticker import MaxNLocator

    last = float(found.time.max())
    ticks = np.asarray(MaxNLocator(_TICKS).tick_values(0, last))
    ticks = ticks[(ticks >= 0) & (ticks <= last)]
    with axes_in(_SIZE, _BOX) as (figure, axes):
        for group, curve in found.curves.items():
            _draw(axes, curve, last, _COLOURS[group])
            _name(axes, last, group)
            for x, many in zip(ticks, followed(curve, ticks), strict=True):
                axes.text(x, -0.25 - 0.06 * group, f"{many:.0f}", color=_COLOURS[group], ha="center", va="top", size=9)
        axes.text(0, -0.19, "still followed", ha="left", va="top", size=9, color=MUTED)
        axes.set(xlim=(0, last * 1.02), ylim=(0, 1.02), yticks=(0, 0.5, 1), yticklabels=("0", "0.5", "1"))
        axes.set(xlabel="time", ylabel="share without event")
        axes.set_xticks(ticks, [f"{one:.4g}" for one in ticks])
        test = _said(log_rank(found.time, found.event, found.group).p_value)
        drawn = svg(figure, title="Kaplan-Meier curves by predicted risk", text=f"{_told(found.curves)} {test}.")
    return (Drawing(drawn, f"Kaplan-Meier curves of the halves with lower and higher risk, 95 % bands. {test}"),)


def _draw(axes: Axes, curve: KaplanMeier, last: float, colour: str) -> None:
    time = np.r_[0.0, curve.time] / last
    steps = [_stepped(time, np.r_[1.0, np.nan_to_num(one)]) for one in (curve.survival, curve.low, curve.high)]
    (x, y), (below, low), (above, high) = steps
    axes.fill(
        np.r_[below, above[::-1]] * last, np.r_[low, high[::-1]], color=colour, alpha=0.16, linewidth=0, clip_on=False
    )
    axes.plot(x * last, y, color=colour, linewidth=2, clip_on=False)
    gone = curve.censored > 0
    _, first = np.unique(np.floor(curve.time[gone] / last / _APART), return_index=True)
    at, level = curve.time[gone][first], curve.survival[gone][first]
    axes.vlines(at, level - _MARK, level + _MARK, color=colour, linewidth=1, clip_on=False)


def _stepped(time: Floats, level: Floats) -> tuple[Floats, Floats]:
    """The corners of a curve that stays where it is up to the next time."""
    return thinned(np.repeat(time, 2)[1:], np.repeat(level, 2)[:-1])


def _name(axes: Axes, last: float, group: int) -> None:
    """The name of a group where its curve seldom is: of the lower risk above at the right, of the higher below."""
    x, y = (last, 0.985) if group == 0 else (0.02 * last, 0.03)
    across, along = ("right", "top") if group == 0 else ("left", "bottom")
    axes.text(x, y, _NAMES[group], ha=across, va=along, color=_COLOURS[group])


def _told(curves: Mapping[int, KaplanMeier]) -> str:
    ends = [f"{_NAMES[k]} {one.survival[-1]:.2f} of {one.at_risk[0]:.0f} patients" for k, one in curves.items()]
    return f"Share without event at the end: {', '.join(ends)}."


def _said(p_value: float) -> str:
    if not np.isfinite(p_value):
        return "Log-rank test: undefined"
    return "Log-rank test: p < 0.001" if p_value < 0.001 else f"Log-rank test: p = {p_value:.3f}"
