"""The drawings of a classification study: ROC curve and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.evaluation.calibration import study_calibration
from harness.evaluation.roc import study_roc
from harness.evaluation.study_scores import Predictions
from harness.tasks.svg import INK, LINE, MAIN, MUTED, SOFT, WARM, Drawing, axes_in, svg
from harness.tasks.thinning import thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.evaluation.roc import Roc

_SIZE, _BOX = (4.4, 3.8), (0.55, 0.42, 3.75, 3.3)
_TURNS = (MAIN, WARM, MUTED, INK)
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)))
_MOST_CURVES = 8


def roc_drawing(data: Predictions, classes: Sequence[str], *, band: bool = True) -> tuple[Drawing, ...]:
    """ROC curve with its 95 % band over patients; of several classes one each without a band. None where undefined."""
    binary = len(classes) == 2
    chosen = [1] if binary else range(min(len(classes), _MOST_CURVES))
    curves = {k: study_roc(data, k, resamples=200 if binary and band else 0) for k in chosen}
    known = {k: curve for k, curve in curves.items() if curve is not None}
    if not known:
        return ()
    with axes_in(_SIZE, _BOX) as (figure, axes):
        _diagonal(axes)
        for number, (k, curve) in enumerate(known.items()):
            _draw_roc(axes, curve, number)
            if not binary:
                axes.text(0.98, 0.04 + 0.07 * number, classes[k][:24], ha="right", color=_TURNS[number % 4], size=9)
        axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="false positive rate", ylabel="true positive rate")
        areas = ", ".join(f"{classes[k]} {np.trapezoid(one.tpr, one.fpr):.3f}" for k, one in known.items())
        drawn = svg(figure, title="ROC curve", text=f"Area under the curve: {areas}.")
    what = "mean over folds with its 95 % band over patients" if binary else "each class against the rest"
    return (Drawing(drawn, f"ROC curve, {what}"),)


def calibration_drawing(data: Predictions, classes: Sequence[str]) -> Drawing:
    """How often events came true over the probability that was predicted for them."""
    found = study_calibration(data)
    event = f"probability of {classes[1][:24]}" if len(classes) == 2 else "probability of the predicted class"
    with axes_in(_SIZE, _BOX) as (figure, axes):
        _diagonal(axes)
        known = np.isfinite(found.low)
        axes.vlines(found.predicted[known], found.low[known], found.high[known], color=MAIN, linewidth=1.5)
        axes.plot(found.predicted, found.observed, color=MAIN, linewidth=1.5, marker="o", markersize=5, clip_on=False)
        axes.vlines(found.predicted, 0, found.share * 0.25, color=SOFT, linewidth=8)
        axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel=event, ylabel="observed share")
        text = f"Expected calibration error {found.error:.3f}."
        drawn = svg(figure, title="Calibration", text=text)
    caption = "Calibration: observed share over predicted probability, with 95 % intervals"
    return Drawing(drawn, f"{caption}; below, how the predictions are spread")


def _diagonal(axes: Axes) -> None:
    axes.set(xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), xticklabels=("0", "0.5", "1"), yticklabels=("0", "0.5", "1"))
    axes.plot([0, 1], [0, 1], color=LINE, linewidth=1, linestyle=(0, (4, 3)))


def _draw_roc(axes: Axes, curve: Roc, number: int) -> None:
    if curve.low is not None and curve.high is not None:
        x, low = thinned(curve.fpr, curve.low)
        above, high = thinned(curve.fpr, curve.high)
        axes.fill(np.r_[x, above[::-1]], np.r_[low, high[::-1]], color=SOFT, linewidth=0, clip_on=False)
    x, y = thinned(curve.fpr, curve.tpr)
    axes.plot(x, y, color=_TURNS[number % 4], linestyle=_DASHES[number // 4 % 4], linewidth=2, clip_on=False)
