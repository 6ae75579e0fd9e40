"""Figures of a unit or a study: ROC curve, confusion matrix, training curve. Each comes as the bytes of a PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evaluation.metrics import confusion
from harness.evaluation.roc import Roc, study_roc
from harness.evaluation.study_scores import Predictions
from harness.tasks.figure import FAINT, INK, MAIN, axes_at, palette, png, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from harness.evaluation.study_scores import Score

_AXES = {"stage", "epoch", "step", "seconds", "lr"}
"""Columns of a training curve that are not drawn."""


def roc_figure(data: Predictions, classes: Sequence[str], *, title: str, auc: Score | None = None) -> bytes | None:
    """ROC curve with its 95 % band over patients; with more than two classes one curve for each, without bands.

    Args:
        data: test predictions of a unit or a study.
        classes: class names.
        title: what the predictions are of.
        auc: the AUC with its interval, for the legend.

    Returns:
        A PNG, or None where no fold has two classes.
    """
    binary = len(classes) == 2
    chosen = [1] if binary else range(len(classes))
    curves = {k: study_roc(data, k, resamples=200 if binary else 0) for k in chosen}
    if not any(curves.values()):
        return None
    with axes_at((4.6, 4.6), [(0.65, 0.6, 3.7, 3.6)]) as (figure, (axes,)):
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
        for colour, (k, curve) in zip(palette(len(curves)), curves.items(), strict=True):
            if curve is not None:
                label = _auc_label(auc) if binary else f"{short(classes[k])} ({np.trapezoid(curve.tpr, curve.fpr):.3f})"
                _draw_roc(axes, curve, colour, label)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal", title=title)
        axes.set(xlabel="false positive rate", ylabel="true positive rate")
        heading = None if binary else f"macro {_auc_label(auc)}" if auc else "AUC, one against the rest"
        axes.legend(loc="lower right", title=heading, title_fontsize=9, alignment="left")
        return png(figure)


def scatter_figure(true: NDArray[np.float64], predicted: NDArray[np.float64], *, title: str) -> bytes:
    """Predicted over true numbers, with the line on which both are equal.

    Args:
        true, predicted: (n,) each.
        title: what the predictions are of.
    """
    both = np.concatenate([true, predicted])
    limits = (float(both.min()), float(both.max()))
    with axes_at((4.6, 4.6), [(0.75, 0.6, 3.6, 3.6)]) as (figure, (axes,)):
        axes.plot(limits, limits, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
        axes.scatter(true, predicted, s=14, color=MAIN, alpha=0.7, linewidths=0)
        axes.set(xlabel="true", ylabel="predicted", title=title)
        return png(figure)


def confusion_figure(data: Predictions, classes: Sequence[str], *, title: str) -> bytes:
    """Confusion matrix: counts, and the share of each true class as colour.

    Args:
        data: test predictions of a unit or a study, all repeats and seeds together.
        classes: class names.
        title: what the predictions are of.
    """
    counts = confusion(data.label, data.predicted, len(classes))[0]
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    text = [
        [f"{count:.0f}\n{share:.0%}" for count, share in zip(*row, strict=True)]
        for row in zip(counts, shares, strict=True)
    ]
    names = [short(name) for name in classes]
    room = 0.08 * max(map(len, names))
    upright = room >= 0.8  # long names do not fit side by side
    cells = 0.95 * len(classes) + 0.6
    box = (0.5 + room, 0.5 + (room if upright else 0.1), cells, cells)
    with axes_at((box[0] + cells + 0.35, box[1] + cells + 0.45), [box]) as (figure, (axes,)):
        axes.grid(visible=False)
        _draw_cells(axes, shares, text, names, fontsize=11 if len(classes) < 5 else 9)
        axes.set(xlabel="predicted", ylabel="true", title=title)
        axes.tick_params(length=0)
        axes.tick_params(axis="y", rotation=0)
        axes.tick_params(axis="x", rotation=90 if upright else 0)
        return png(figure)


def _draw_cells(
    axes: Axes, shares: NDArray[np.float64], text: Sequence[Sequence[str]], names: Sequence[str], *, fontsize: int
) -> None:
    """Draw a matrix from the top left, with a text in every cell; seaborn's heatmap draws the whole figure twice."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("shares", ["#f4f6f9", "#9db8d2", MAIN])
    axes.pcolormesh(shares, cmap=colours, vmin=0, vmax=1, edgecolors="white", linewidth=2)
    for row, cells in enumerate(text):
        for column, cell in enumerate(cells):
            ink = "white" if shares[row, column] > 0.6 else INK
            axes.text(column + 0.5, row + 0.5, cell, ha="center", va="center", color=ink, fontsize=fontsize)
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
    places = np.arange(len(names)) + 0.5
    axes.set_xticks(places, names)
    axes.set_yticks(places, names)


def curve_figure(curves: Sequence[Sequence[Mapping[str, str]]], *, title: str) -> bytes | None:
    """Training curves: losses on the left, everything else on the right; a thin line per unit, a thick one their mean.

    Args:
        curves: per unit the rows of its curve.csv: ``stage``, ``epoch`` and numbers.
        title: what was trained.

    Returns:
        A PNG, or None without numbers.
    """
    series = [_series(rows) for rows in curves]
    names = list(dict.fromkeys(name for unit in series for name in unit))
    groups = [[name for name in names if ("loss" in name) is loss] for loss in (True, False)]
    groups = [group for group in groups if group]
    if not groups:
        return None
    boxes = [(0.6 + 4.2 * k, 0.55, 3.45, 2.3) for k in range(len(groups))]
    with axes_at((4.2 * len(groups) + 0.1, 3.3), boxes) as (figure, axes):
        for panel, group in zip(axes, groups, strict=True):
            for colour, name in zip(palette(len(group)), group, strict=True):
                _draw_curves(panel, [unit[name] for unit in series if name in unit], colour, name)
            panel.set(xlabel="epoch")
            panel.legend()
        axes[0].set(title=title)
        return png(figure)


def _draw_curves(axes: Axes, units: list[dict[float, float]], colour: Any, label: str) -> None:
    if len(units) > 1:
        for points in units:
            axes.plot(list(points), list(points.values()), color=colour, linewidth=0.6, alpha=0.25)
    epochs = sorted({epoch for points in units for epoch in points})
    mean = [np.mean([points[epoch] for points in units if epoch in points]) for epoch in epochs]
    axes.plot(epochs, mean, color=colour, linewidth=1.8, label=label, marker="o" if len(epochs) == 1 else None)


def _draw_roc(axes: Axes, curve: Roc, colour: Any, label: str) -> None:
    if curve.low is not None and curve.high is not None:
        axes.fill_between(curve.fpr, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0, label="95 % band")
    axes.plot(curve.fpr, curve.tpr, color=colour, linewidth=2, label=label, solid_joinstyle="round")


def _auc_label(auc: Score | None) -> str:
    if auc is None or not np.isfinite(auc.value):
        return "ROC"
    limits = f" [{auc.low:.3f}, {auc.high:.3f}]" if np.isfinite(auc.low) else ""
    return f"AUC {auc.value:.3f}{limits}"


def _series(rows: Sequence[Mapping[str, str]]) -> dict[str, dict[float, float]]:
    """Column → epoch → value; stages follow one another on the epoch axis."""
    series: dict[str, dict[float, float]] = {}
    offset, last, stage = 0.0, 0.0, None
    for number, row in enumerate(rows):
        if stage is not None and row.get("stage") != stage:
            offset += last + 1
        stage = row.get("stage")
        last = _float(row.get("epoch"), number)
        for column, text in row.items():
            value = _float(text, np.nan)
            if column not in _AXES and np.isfinite(value):
                series.setdefault(column, {})[offset + last] = value
    return series


def _float(text: str | None, otherwise: float) -> float:
    try:
        return float(text) if text else otherwise
    except ValueError:
        return otherwise
