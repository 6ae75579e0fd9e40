"""The physical resolution of a slide, from what its file says or from what the user declares. Never guessed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from harness.slides.stated import Stated, number, stated

PLAUSIBLE_MPP = (0.1, 2.0)
"""Microns per pixel that a slide scanner's level 0 can have; what lies outside is a default of some software
(72 dots per inch is 352.8 microns per pixel) and is not believed."""

DECLARED = "declared"
"""The ``source`` of a resolution that the user gave."""

_MOST_ANISOTROPY = 0.05
_MOST_CONTRADICTION = 0.05
_WORTH_A_NOTE = 0.05
_SAME = 0.01


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


def find_resolution(
    properties: Mapping[str, str], declared: float | None = None, size: tuple[int, int] | None = None
) -> Resolution:
    """The resolution that the file states; the declared one where it states none that can be believed.

    Every statement of the file is read (see ``harness.slides.stated``): OpenSlide's properties, OME-XML, ImageJ's and
    Aperio's descriptions, the TIFF tags, DICOM's imaged volume. The first that is believable is taken, and the others
    have to agree with it within 5 %: a file that contradicts itself has no resolution. A declaration never
    overrules a believable statement of the file, so that one ``--mpp`` for a folder harms no slide that states its
    own; where they differ the note says so.

    Args:
        properties: OpenSlide properties, those of a TIFF under the same names, or none for other flat images.
        declared: microns per pixel of level 0 given by the user.
        size: width and height of level 0.

    Raises:
        ValueError: ``declared`` is not a positive number.
    """
    if declared is not None and not (math.isfinite(declared) and declared > 0):
        raise ValueError(f"declared resolution must be a positive number of microns per pixel, not {declared}")
    believed: list[tuple[str, float]] = []
    rejected: list[str] = []
    skewed = False
    for statement in stated(properties, size):
        mpp, why_not = _believable(statement)
        if mpp is not None:
            believed.append((statement.source, mpp))
        else:
            rejected.append(f"{statement.source} gives {why_not}")
            skewed |= _in_range(statement)
    if believed and not skewed and (gap := _largest_gap(believed)) <= _MOST_CONTRADICTION:
        notes = [_disagreement(believed[0][1], declared), _small_gap(believed) if gap > _SAME else ""]
        return Resolution(believed[0][1], believed[0][0], note="; ".join(note for note in notes if note))
    if believed:
        rejected[:0] = [f"{source} gives {mpp:.4g} microns per pixel" for source, mpp in believed]
        why = f"the slide contradicts itself about its resolution: {'; '.join(rejected)}"
    else:
        why = "the slide has no resolution"
        if rejected:
            why = f"the slide's resolution cannot be believed: {'; '.join(rejected)}"
    if declared is not None:
        return Resolution(declared, DECLARED, note=why if rejected else "")
    return Resolution(None, "", problem=why, hint=_hint(properties))


def _believable(statement: Stated) -> tuple[float | None, str]:
    mean = (statement.x + statement.y) / 2
    if not _in_range(statement):
        low, high = PLAUSIBLE_MPP
        return None, f"{mean:.4g} microns per pixel (slides have {low} to {high})"
    if abs(statement.x - statement.y) > _MOST_ANISOTROPY * mean:
        return None, f"pixels that are not square ({statement.x:.4g} by {statement.y:.4g} microns)"
    return mean, ""


def _in_range(statement: Stated) -> bool:
    low, high = PLAUSIBLE_MPP
    return low <= (statement.x + statement.y) / 2 <= high


def _largest_gap(believed: list[tuple[str, float]]) -> float:
    """Largest difference from the first statement, as a share of it."""
    return max(abs(mpp - believed[0][1]) / believed[0][1] for _, mpp in believed)


def _small_gap(believed: list[tuple[str, float]]) -> str:
    others = ", ".join(f"{source} gives {mpp:.4g}" for source, mpp in believed[1:])
    return f"taken from {believed[0][0]}, {believed[0][1]:.4g} microns per pixel; {others}"


def _disagreement(mpp: float, declared: float | None) -> str:
    if declared is None or abs(mpp - declared) <= _WORTH_A_NOTE * mpp:
        return ""
    return f"the file says {mpp:.4g} microns per pixel; the declared {declared:.4g} was not used"


def _hint(properties: Mapping[str, str]) -> str:
    power = number(properties.get("openslide.objective-power"))
    if not power or power <= 0:
        return ""
    return f"its objective is {power:g}x, where {10 / power:.2g} is usual"
