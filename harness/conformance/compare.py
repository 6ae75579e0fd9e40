"""How predictions are compared."""

from __future__ import annotations

import numpy as np

from harness.api.prediction import Prediction


def same_prediction(one: Prediction, other: Prediction, *, tolerance: float) -> str:
    """How two predictions differ, in words; empty where they agree.

    Args:
        one, other: predictions for the same bags.
        tolerance: largest difference of probabilities and of attention, absolute; 0 asks for equality.
    """
    if one.slides != other.slides:
        return "they are for other slides"
    if one.probabilities.shape != other.probabilities.shape:
        return "probabilities have another shape"
    if not np.isfinite(other.probabilities).all():
        return "probabilities are not finite"
    if (gap := float(np.abs(one.probabilities - other.probabilities).max(initial=0))) > tolerance:
        return f"probabilities differ by up to {gap:.2g}"
    if (one.attention is None) != (other.attention is None):
        return "attention is given only once"
    for slide, first, second in zip(one.slides, one.attention or (), other.attention or (), strict=False):
        if first.shape != second.shape:
            return f"attention of {slide} has another shape"
        if (gap := float(np.abs(first - second).max(initial=0))) > tolerance:
            return f"attention of {slide} differs by up to {gap:.2g}"
    return ""
