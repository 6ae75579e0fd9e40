"""Pictures of where a unit's method looked, for a few test slides."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from harness.results.names import safe_name

if TYPE_CHECKING:
    from harness.protocols.held_out import ScoredRows
    from harness.sources.inputs import Inputs

SLIDES = 3
"""Slides that are drawn per unit."""


def explain_unit(scored: ScoredRows, inputs: Inputs) -> dict[str, bytes]:
    """File name → PNG for the test slides that the method is surest of, the positive ones first.

    In survival those of the highest risk, patients with an event first.

    Further numbers per tile are drawn in the same way. Empty where the method gives none or the dataset nothing to
    draw on.
    """
    drawn = scored.per_tile
    if not drawn or inputs.picture_of is None:
        return {}
    surest, groups = np.argsort(-scored.task.certainty(scored.probabilities), kind="stable"), scored.groups
    chosen = sorted(surest, key=lambda row: groups[row] == 0)[:SLIDES]
    return {
        f"{safe_name(name)}-{scored.slides[row]}.png": _png(
            inputs.picture_of(scored.slides[row], values[row] - min(0.0, values[row].min(initial=0.0)))
        )
        for name, values in drawn.items()
        for row in chosen
    }


def _png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
