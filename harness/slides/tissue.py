"""Tissue on a slide: a mask at a physical resolution, and how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

from harness.slides.background import balance, chroma, find_background
from harness.slides.pen import find_pen

if TYPE_CHECKING:
    from harness.protocol.card import TissueSettings

Mask = NDArray[np.bool_]

_LEAST_THRESHOLD, _MOST_THRESHOLD = 10.0, 22.0
"""Chroma (0 to 255) between which Otsu's threshold may fall. Below lies what compression does to white glass; a
threshold above it loses fat and faint tissue on slides that also hold strong stain or ink."""

_NOISE_WIDTH = 6.0
_BLUR_MICRONS = 8.0
_CLOSE_MICRONS = 16.0
_HOLE_MM2 = 0.05


@dataclass(frozen=True)
class Tissue:
    """The tissue of a slide.

    Attributes:
        mask: (H, W) bool over the whole slide.
        threshold: chroma from which a pixel counts as tissue.
        area_mm2: tissue area.
        pen_mm2: area of ink by colour, excluded from the mask.
        notes: what a reader of the result should know.
    """

    mask: Mask
    threshold: float
    area_mm2: float
    pen_mm2: dict[str, float]
    notes: tuple[str, ...]


def find_tissue(rgb: NDArray[np.uint8], mpp: float, settings: TissueSettings) -> Tissue:
    """Tell tissue from glass and from ink.

    Tissue is what has colour: Otsu's threshold on the chroma of the white-balanced, slightly blurred overview, held
    between bounds that come from the noise of the slide's own glass, so that an empty slide gives an empty mask
    and a faint one does not. Gaps are closed, holes up to 0.05 mm² filled, small pieces dropped, ink excluded.

    Args:
        rgb: overview of the slide, (H, W, 3).
        mpp: microns per pixel of the overview.
        settings: background colour and the least area of a piece.
    """
    image = Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(_BLUR_MICRONS / mpp))
    smooth = np.asarray(image)
    notes: list[str] = []
    glass = np.zeros(smooth.shape[:2], bool)
    pen: dict[str, Mask] = {}
    if settings.background == "white":
        background = find_background(smooth)
        smooth, glass = balance(smooth, background.colour), background.seen
        notes += [background.note] if background.note else []
        # Where the colours are wrong, ink cannot be told by its colour.
        pen = {} if background.note else find_pen(smooth, mpp)
    colour = chroma(smooth)
    ink = np.logical_or.reduce(list(pen.values())) if pen else np.zeros(glass.shape, bool)
    threshold = _threshold(colour[~ink], colour[glass & ~ink])
    mask = _tidy((colour >= threshold) & ~ink, mpp, settings.min_area_mm2, ink)
    mm2 = (mpp / 1000) ** 2
    areas = {name: float(mark.sum()) * mm2 for name, mark in pen.items()}
    notes += [f"{name} ink, {area:.2g} mm² left out" for name, area in areas.items()]
    return Tissue(mask, threshold, float(mask.sum()) * mm2, areas, tuple(notes))


def _threshold(colour: NDArray[np.uint8], glass: NDArray[np.uint8]) -> float:
    from skimage.filters import threshold_otsu

    floor = _LEAST_THRESHOLD
    if glass.size:
        middle = float(np.median(glass))
        spread = 1.4826 * float(np.median(np.abs(glass - middle)))
        floor = min(max(floor, middle + _NOISE_WIDTH * spread), _MOST_THRESHOLD)
    otsu = float(threshold_otsu(colour)) if colour.size else floor  # type: ignore[no-untyped-call]
    return min(max(otsu, floor), _MOST_THRESHOLD)


def _tidy(mask: Mask, mpp: float, min_area_mm2: float, ink: Mask) -> Mask:
    pixels_per_mm2 = 1e6 / mpp**2
    radius = max(1, round(_CLOSE_MICRONS / mpp))
    # Padding keeps the closing from eating tissue at the edge of the slide.
    closed = ndimage.binary_closing(np.pad(mask, radius), iterations=radius)[radius:-radius, radius:-radius]
    filled = closed | _small_pieces(~closed, below=_HOLE_MM2 * pixels_per_mm2, inner=True)
    filled &= ~ink
    tidy: Mask = filled & ~_small_pieces(filled, below=min_area_mm2 * pixels_per_mm2)
    return tidy


def _small_pieces(mask: Mask, *, below: float, inner: bool = False) -> Mask:
    """The connected pieces of fewer than ``below`` pixels; with ``inner`` only those that do not touch the edge."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    small = sizes < below
    small[0] = False
    if inner:
        for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
            small[edge] = False
    pieces: Mask = small[labels]
    return pieces
