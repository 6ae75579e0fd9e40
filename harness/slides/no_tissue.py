"""Why no tissue was found on a slide, and which setting would find some."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.slides.tissue import Tissue, find_tissue, middle_and_spread

if TYPE_CHECKING:
    from harness.datasets.card import TissueSettings

_NO_COLOUR = 3
_LEAST_CONTRAST = {"colour": 4.0, "brightness": 8.0}
_NOISE_WIDTH = 8.0
_MOST_TISSUE = 0.95


def reason(tissue: Tissue, mpp: float, settings: TissueSettings) -> str:
    """What was measured on a slide without tissue, and by how much it fell short.

    Args:
        tissue: what was found, its mask empty.
        mpp: microns per pixel of the overview that it was found on.
        settings: those that it was found with.
    """
    if tissue.refusal:
        return tissue.refusal
    settings = _settled(settings, tissue)
    strongest = _strongest(tissue, mpp, settings)
    start = f"tissue starts at {tissue.threshold:.3g} of 255"
    if strongest >= tissue.threshold:
        share = float((tissue.measured >= tissue.threshold).mean())
        words = f"{share:.2%} of the slide has the {settings.measure} of tissue ({start}), but in pieces below "
        words += f"{settings.min_area_mm2:g} mm²"
    else:
        words = f"over {settings.min_area_mm2:g} mm² the strongest {settings.measure} is {strongest:.0f}, {start}"
        if settings.measure == "colour" and strongest < _NO_COLOUR:
            words = f"the slide has no colour: {words}"
    if tissue.glass.any():
        words += f", the glass has {middle_and_spread(tissue.measured[tissue.glass])[0]:.0f}"
    marks = [f"{area:.2g} mm² of {name} marks were taken for ink" for name, area in tissue.pen_mm2.items()]
    others = [note for note in tissue.notes if " ink, " not in note]
    return "; ".join([words, *marks, *others])


def suggestion(rgb: NDArray[np.uint8], mpp: float, settings: TissueSettings, tissue: Tissue) -> dict[str, Any]:
    """Tissue settings with which something would be found that stands out from the glass; none where nothing does.

    Args:
        rgb: the overview, (H, W, 3).
        mpp: its microns per pixel.
        settings: those that found nothing.
        tissue: what they found.
    """
    base = _settled(settings, tissue)
    for change in _changes(rgb, mpp, base, tissue):
        found = find_tissue(rgb, mpp, base.model_copy(update=change))
        if found.mask.any() and found.mask.mean() <= _MOST_TISSUE:
            return change if settings.measure != "auto" else {"measure": base.measure} | change
    return {}


def _settled(settings: TissueSettings, tissue: Tissue) -> TissueSettings:
    """The settings with the measure that was used, in place of ``auto``."""
    return settings.model_copy(update={"measure": tissue.measure})


def _changes(rgb: NDArray[np.uint8], mpp: float, settings: TissueSettings, tissue: Tissue) -> Iterator[dict[str, Any]]:
    if tissue.refusal:
        yield {"background": "black"}
        yield {"background": "black", "measure": "brightness"}
        return
    for change in ({}, {"measure": "brightness"}):
        if settings.threshold is not None:
            own = find_tissue(rgb, mpp, settings.model_copy(update=change | {"threshold": None})).threshold
            yield change | {"threshold": own}
        elif change:
            yield change
    if (lower := _lower_threshold(tissue, mpp, settings)) is not None:
        yield {"threshold": lower}
    if settings.measure == "colour":
        other = settings.model_copy(update={"measure": "brightness", "threshold": None})
        lower = _lower_threshold(find_tissue(rgb, mpp, other), mpp, other)
        if lower is not None:
            yield {"measure": "brightness", "threshold": lower}
    if tissue.pen_mm2:
        yield {"pen": "keep"}


def _lower_threshold(tissue: Tissue, mpp: float, settings: TissueSettings) -> float | None:
    """Half way between glass and the strongest value, where these are further apart than noise explains."""
    if not tissue.glass.any():
        return None
    strongest = _strongest(tissue, mpp, settings)
    middle, spread = middle_and_spread(tissue.measured[tissue.glass])
    if strongest >= tissue.threshold or strongest < middle + max(
        _LEAST_CONTRAST[settings.measure], _NOISE_WIDTH * spread
    ):
        return None
    return float(math.ceil((middle + strongest) / 2))


def _strongest(tissue: Tissue, mpp: float, settings: TissueSettings) -> float:
    """The value that as much of the slide reaches as the least piece of tissue has."""
    count = min(tissue.measured.size, max(1, math.ceil(settings.min_area_mm2 * 1e6 / mpp**2)))
    return float(np.partition(tissue.measured, tissue.measured.size - count, axis=None)[-count])
