"""Figures of predicted probabilities: precision over recall, and calibration. Each comes as the bytes of a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.evaluation.calibration import study_calibration
from harness.evaluation.precision_recall import study_precision_recall
from harness.tasks.figure import FAINT, MAIN, axes_at, palette, png, short

if TYPE_CHECKING:
    from harness.evaluation.study_scores import Predictions

_DASHED = (0, (4, 3))


def precision_recall_figure(data: Predictions, classes: Sequence[str], *, title: str) -> bytes | None:
    """Precision over recall with a 95 % band over patients; with more than two classes a curve for each, without bands.

    The dashed line is the precision of a guess. The legend has the average precision, of several units the mean.

    Args:
        data: test predictions of a unit or a study.
        classes: class names.
        title: what the predictions are of.

    Returns:
        A PNG, or None where no fold has two classes.
    """
    binary = len(classes) == 2
    chosen = [1] if binary else range(len(classes))
    curves = {k: study_precision_recall(data, k, resamples=200 if binary else 0) for k in chosen}
    if not any(curves.values()):
        return None
    with axes_at((4.6, 4.6), [(0.65, 0.6, 3.7, 3.6)]) as (figure, (axes,)):
        for colour, (k, curve) in zip(palette(len(curves)), curves.items(), strict=True):
            if curve is None:
                continue
            axes.axhline(curve.prevalence, color=FAINT if binary else colour, linewidth=1, linestyle=_DASHED)
            if curve.low is not None and curve.high is not None:
                axes.fill_between(
                    curve.recall, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0, label="95 % band"
                )
            label = (
                f"AP {curve.average_precision:.3f}"
                if binary
                else f"{short(classes[k])} ({curve.average_precision:.3f})"
            )
            axes.plot(curve.recall, curve.precision, color=colour, linewidth=2, label=label)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal", title=title)
        axes.set(xlabel="recall", ylabel="precision")
        heading = None if binary else "average precision, one against the rest"
        axes.legend(loc="lower left", title=heading, title_fontsize=9, alignment="left")
        return png(figure)


def calibration_figure(data: Predictions, classes: Sequence[str], *, title: str) -> bytes:
    """How often events came true over the probability that was predicted for them, with 95 % intervals over patients.

    With two classes the event is the second one; with more, that the most probable class is the true one. The bars
    below show how the predictions are spread; the legend has the expected calibration error.

    Args:
        data: test predictions of a unit or a study, all repeats and seeds together.
        classes: class names.
        title: what the predictions are of.
    """
    found = study_calibration(data)
    event = f"probability of {short(classes[1])}" if len(classes) == 2 else "probability of the predicted class"
    with axes_at((4.6, 5.2), [(0.65, 1.2, 3.7, 3.6), (0.65, 0.6, 3.7, 0.5)]) as (figure, (axes, below)):
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=_DASHED)
        known = np.isfinite(found.low)
        axes.vlines(found.predicted[known], found.low[known], found.high[known], color=MAIN, linewidth=1.5, alpha=0.5)
        axes.plot(found.predicted, found.observed, color=MAIN, linewidth=2, marker="o", label=f"ECE {found.error:.3f}")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), title=title, ylabel="observed share", xticklabels=[])
        axes.legend(loc="upper left")
        below.bar(found.predicted, found.share, width=0.03, color=MAIN, alpha=0.5)
        below.set(xlim=(-0.01, 1.01), xlabel=event, ylabel="slides", yticks=[])
        return png(figure)
