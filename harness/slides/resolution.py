"""The physical resolution of a slide, from what its file says or from what the user declares. Never guessed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

PLAUSIBLE_MPP = (0.1, 2.0)
"""Microns per pixel that a slide scanner's level 0 can have; what lies outside is a default of some software
(72 dots per inch is 352.8 microns per pixel) and is not believed."""

DECLARED = "declared"
"""The ``source`` of a resolution that the user gave."""

_MICRONS_PER_UNIT = {"inch": 25400.0, "centimeter": 10000.0}
_MOST_ANISOTROPY = 0.05
_WORTH_A_NOTE = 0.05


@dataclass(frozen=True)
class Resolution:
    """The resolution of level 0.

    Attributes:
        mpp: microns per pixel; None where the file does not say and nothing was declared.
        source: the property it comes from, or ``declared``; empty without a resolution.
        note: what a reader of the result should know, or empty.
        problem: why there is none; empty when there is one.
        hint: what is known that helps the user to find it out.
    """

    mpp: float | None
    source: str
    note: str = ""
    problem: str = ""
    hint: str = ""


def find_resolution(properties: Mapping[str, str], declared: float | None = None) -> Resolution:
    """The resolution that the file states; the declared one where it states none that can be believed.

    The order is OpenSlide's own properties, the TIFF resolution tags, the Aperio header, the declaration. A
    declaration never overrules a believable statement of the file, so that one ``--mpp`` for a folder harms no slide
    that knows better; where they differ the note says so.

    Args:
        properties: OpenSlide properties, or none for a flat image.
        declared: microns per pixel of level 0 given by the user.

    Raises:
        ValueError: ``declared`` is not a positive number.
    """
    if declared is not None and not (math.isfinite(declared) and declared > 0):
        raise ValueError(f"declared resolution must be a positive number of microns per pixel, not {declared}")
    rejected: list[str] = []
    for source, pair in _stated(properties):
        mpp, why_not = _believable(*pair)
        if mpp is not None:
            return Resolution(mpp, source, note=_disagreement(mpp, declared))
        rejected.append(f"{source} gives {why_not}")
    if declared is not None:
        return Resolution(declared, DECLARED, note="; ".join(rejected))
    problem = "the slide has no resolution"
    if rejected:
        problem = f"the slide's resolution cannot be believed: {'; '.join(rejected)}"
    return Resolution(None, "", problem=problem, hint=_hint(properties))


def _stated(properties: Mapping[str, str]) -> list[tuple[str, tuple[float, float]]]:
    found = []
    if pair := _pair(properties, "openslide.mpp-x", "openslide.mpp-y"):
        found.append(("openslide.mpp-x", pair))
    elif (pair := _pair(properties, "tiff.XResolution", "tiff.YResolution")) and min(pair) > 0:
        microns = _MICRONS_PER_UNIT.get(properties.get("tiff.ResolutionUnit", "inch"))
        if microns is not None:
            found.append(("tiff.XResolution", (microns / pair[0], microns / pair[1])))
    if pair := _pair(properties, "aperio.MPP", "aperio.MPP"):
        found.append(("aperio.MPP", pair))
    return found


def _pair(properties: Mapping[str, str], x_name: str, y_name: str) -> tuple[float, float] | None:
    x, y = _number(properties.get(x_name)), _number(properties.get(y_name))
    if x is None and y is None:
        return None
    return (x if x is not None else y or 0.0), (y if y is not None else x or 0.0)


def _number(text: str | None) -> float | None:
    try:
        # Some scanners write the decimal comma of their locale.
        value = float((text or "").strip().replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _believable(x: float, y: float) -> tuple[float | None, str]:
    mean = (x + y) / 2
    low, high = PLAUSIBLE_MPP
    if not low <= mean <= high:
        return None, f"{mean:.4g} microns per pixel (slides have {low} to {high})"
    if abs(x - y) > _MOST_ANISOTROPY * mean:
        return None, f"pixels that are not square ({x:.4g} by {y:.4g} microns)"
    return mean, ""


def _disagreement(mpp: float, declared: float | None) -> str:
    if declared is None or abs(mpp - declared) <= _WORTH_A_NOTE * mpp:
        return ""
    return f"the file says {mpp:.4g} microns per pixel; the declared {declared:.4g} was not used"


def _hint(properties: Mapping[str, str]) -> str:
    power = _number(properties.get("openslide.objective-power"))
    if not power or power <= 0:
        return ""
    return f"its objective is {power:g}x, where {10 / power:.2g} is usual"
