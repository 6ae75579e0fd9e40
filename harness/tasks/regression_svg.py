"""The drawings of a regression study: predicted over true numbers, and residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.regression import RegressionPredictions
from harness.tasks.svg import MAIN, MUTED, WARM, Drawing, axes_in, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
_SIZE, _BOX = (4.4, 3.8), (0.75, 0.42, 3.5, 3.3)
_MOST = 400
"""Points that are drawn; of more, so many at random: further ones hide each other, and take room."""


def predicted_drawing(data: RegressionPredictions) -> Drawing:
    """Predicted over true numbers, with the line on which both are equal."""
    some = _drawn(len(data))
    both = np.concatenate([data.target[some], data.predicted[some]])
    ends = (float(both.min()), float(both.max()))
    r = float(np.corrcoef(data.target, data.predicted)[0, 1]) if min(np.ptp(data.target), np.ptp(data.predicted)) else 0
    with axes_in(_SIZE, _BOX) as (figure, axes):
        axes.plot(ends, ends, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        _points(axes, data.target[some], data.predicted[some])
        axes.set(xlabel="true", ylabel="predicted")
        text = f"{len(data)} predictions from {ends[0]:.4g} to {ends[1]:.4g}, correlation {r:.3f}."
        drawn = svg(figure, title="Predicted over true numbers", text=text)
    return Drawing(drawn, f"Predicted over true numbers{_share(len(data))}; on the dashed line both are equal")


def residual_drawing(data: RegressionPredictions) -> Drawing:
    """Predicted less true over predicted, with the mean and the limits within which 95 % lie of a normal distribution.

    The limits are those of Bland and Altman (Lancet 1986;327:307): mean ± 1.96 standard deviations.
    """
    error = data.predicted - data.target
    mean, spread = float(error.mean()), 1.96 * float(error.std(ddof=1)) if len(data) > 1 else 0.0
    some = _drawn(len(data))
    with axes_in(_SIZE, _BOX) as (figure, axes):
        axes.axhline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        _points(axes, data.predicted[some], error[some])
        for level, style in ((mean, "-"), (mean - spread, (0, (5, 3))), (mean + spread, (0, (5, 3)))):
            axes.axhline(level, color=WARM, linewidth=1.5, linestyle=style)
        axes.set(xlabel="predicted", ylabel="predicted less true")
        text = f"Mean error {mean:.4g}, limits {mean - spread:.4g} to {mean + spread:.4g}."
        drawn = svg(figure, title="Residuals over predicted numbers", text=text)
    caption = f"Residuals{_share(len(data))}, their mean ({mean:.3g}) and mean ± 1.96 SD ({spread:.3g})"
    return Drawing(drawn, caption)


def _points(axes: Axes, x: Floats, y: Floats) -> None:
    axes.plot(x, y, "o", color=MAIN, markersize=4, markeredgewidth=0)


def _drawn(count: int) -> NDArray[np.intp]:
    """Rows that are drawn."""
    if count <= _MOST:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, _MOST, replace=False))


def _share(count: int) -> str:
    return f", {_MOST} of {count} at random" if count > _MOST else ""
