"""Free-response ROC of lesions, as CAMELYON16 defines it.

Facts of the challenge's evaluation code (Evaluation_FROC.py of computationalpathologygroup/Camelyon16, and Bejnordi et
al. 2017, doi:10.1001/jama.2017.14585): annotations that are less than 75 µm apart are one lesion; lesions with a major
axis below 275 µm (isolated tumour cells of 200 µm, grown by 75 µm) neither count as lesions nor make what hits them
false; the best detection inside a lesion is its score; detections outside, and all in a slide without a tumour, are
false; the score is the mean sensitivity at 1/4, 1/2, 1, 2, 4 and 8 false positives per slide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

Floats = NDArray[np.float64]

PER_SLIDE = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives per slide at which sensitivities are averaged."""
JOINED_UM = 75.0
"""Annotations closer than this are one lesion, in µm."""
ISOLATED_UM = 275.0
"""Lesions, once grown, with a shorter major axis are isolated tumour cells, in µm."""


@dataclass(frozen=True)
class Detections:
    """The detections of one slide against its lesions.

    Attributes:
        false: scores of those that hit nothing, shape (f,).
        lesions: of each lesion that counts the best score inside it, 0 where it is missed, shape (k,).
        ignored: isolated tumour cells of the slide.
    """

    false: Floats
    lesions: Floats
    ignored: int = 0


@dataclass(frozen=True)
class Froc:
    """A free-response ROC curve.

    Attributes:
        false_positives: per slide, ascending, shape (m,).
        sensitivity: share of the lesions that are found, shape (m,).
        at: sensitivity at each of :data:`PER_SLIDE`, shape (6,), linear between the points of the curve.
        score: their mean.
    """

    false_positives: Floats
    sensitivity: Floats
    at: Floats
    score: float


def lesions_of(tumour: ArrayLike, mpp: float) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Lesions of an annotated mask, and which of them are isolated tumour cells.

    Args:
        tumour: true inside an annotation, shape (H, W).
        mpp: µm per pixel of the mask.

    Returns:
        Number of the lesion at each pixel, 0 outside, shape (H, W); and the numbers of isolated tumour cells.
    """
    inside = np.asarray(tumour).astype(bool)
    if not inside.any():
        return np.zeros(inside.shape, np.int32), np.empty(0, np.intp)
    grown = ndimage.distance_transform_edt(~inside) < JOINED_UM / (2 * mpp)
    numbers, _ = ndimage.label(ndimage.binary_fill_holes(grown), structure=np.ones((3, 3)))
    boxes = enumerate(ndimage.find_objects(numbers), start=1)
    short = [k for k, box in boxes if major_axis(numbers[box] == k) * mpp < ISOLATED_UM]
    return np.asarray(numbers, np.int32), np.asarray(short, np.intp)


def major_axis(region: NDArray[np.bool_]) -> float:
    """Length, in pixels, of the major axis of the ellipse with the same second moments as a region, shape (H, W)."""
    places = np.argwhere(region).T
    moments = np.atleast_2d(np.cov(places, bias=True)) if places.shape[1] > 1 else np.zeros((2, 2))
    return float(4 * np.sqrt(max(0.0, np.linalg.eigvalsh(moments)[-1])))


def detections(
    scores: ArrayLike, rows: ArrayLike, columns: ArrayLike, lesions: ArrayLike | None, isolated: ArrayLike = ()
) -> Detections:
    """Match the detections of a slide to its lesions.

    Args:
        scores: larger means surer, above 0, shape (d,).
        rows, columns: pixels of the mask at which they are, shape (d,) each.
        lesions: number of the lesion at each pixel, 0 outside, shape (H, W); None for a slide without tumour.
        isolated: numbers of those that do not count.

    Raises:
        ValueError: a score is not above 0, or a place is outside of the mask.
    """
    s = np.asarray(scores, np.float64)
    if not (s > 0).all():
        raise ValueError("scores of detections are above 0: a lesion that is missed has 0")
    if lesions is None:
        return Detections(s, np.empty(0))
    numbers = np.asarray(lesions)
    y, x = np.asarray(rows, np.intp), np.asarray(columns, np.intp)
    if not ((y >= 0) & (x >= 0) & (y < numbers.shape[0]) & (x < numbers.shape[1])).all():
        raise ValueError(f"a detection lies outside of the mask of {numbers.shape[0]} × {numbers.shape[1]} pixels")
    hit = numbers[y, x].astype(np.intp)
    best = np.zeros(int(numbers.max(initial=0)) + 1)
    np.maximum.at(best, hit, s)
    counts = np.setdiff1d(np.unique(numbers[numbers > 0]), np.asarray(isolated, np.intp))
    return Detections(s[hit == 0], best[counts], len(np.asarray(isolated)))


def froc(slides: Sequence[Detections]) -> Froc:
    """The curve of some slides: those without a tumour count among the slides.

    As in the code of the challenge, the thresholds are the different scores of false detections and of lesions, 0 of
    those that are missed or ignored among them, without the smallest; beyond the last point its sensitivity holds.

    Raises:
        ValueError: no slide has a lesion that counts.
    """
    false = np.concatenate([one.false for one in slides]) if slides else np.empty(0)
    found = np.concatenate([one.lesions for one in slides]) if slides else np.empty(0)
    if not len(found):
        raise ValueError("a FROC curve needs a slide with a lesion that counts")
    nothing = [0.0] if any(one.ignored for one in slides) else []
    thresholds = np.unique(np.r_[false, found, nothing])[1:][::-1]
    alarms = np.r_[0, len(false) - np.searchsorted(np.sort(false), thresholds, side="left")] / len(slides)
    hits = np.r_[0, len(found) - np.searchsorted(np.sort(found), thresholds, side="left")] / len(found)
    at = np.interp(PER_SLIDE, alarms, hits)
    return Froc(alarms, hits, at, float(at.mean()))
