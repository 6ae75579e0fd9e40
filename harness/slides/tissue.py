"""Tissue on a slide: a mask at a physical resolution, and how it was found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

from harness.slides.background import balance, black_padding, chroma, dark_background, find_background, luminance
from harness.slides.pen import find_pen

if TYPE_CHECKING:
    from harness.datasets.card import TissueSettings

Mask = NDArray[np.bool_]

_BOUNDS = {"colour": (10.0, 22.0), "brightness": (20.0, 40.0)}
"""Values (0 to 255) between which Otsu's threshold may fall. Below lies what compression and uneven light do to white
glass; a threshold above loses fat and faint tissue on slides that also hold strong stain or ink."""

_NOISE_WIDTH = 6.0
_BLUR_MICRONS = 8.0
_CLOSE_MICRONS = 16.0
_HOLE_MM2 = 0.05


@dataclass(frozen=True)
class Tissue:
    """The tissue of a slide.

    Attributes:
        mask: (H, W) bool over the whole slide.
        threshold: value of the measure from which a pixel counts as tissue.
        area_mm2: tissue area.
        pen_mm2: area of ink by colour, excluded from the mask.
        notes: what a reader of the result should know.
        measured: the measure (colour or brightness) by pixel, (H, W) uint8; 0 in ink and padding.
        glass: the pixels that look like glass, (H, W) bool.
        refusal: why no tissue was looked for; empty where it was.
        measure: ``colour`` or ``brightness``: what tissue was told by.
    """

    mask: Mask
    threshold: float
    area_mm2: float
    pen_mm2: dict[str, float]
    notes: tuple[str, ...]
    measured: NDArray[np.uint8]
    glass: Mask
    refusal: str = ""
    measure: Literal["colour", "brightness"] = "colour"


def find_tissue(rgb: NDArray[np.uint8], mpp: float, settings: TissueSettings) -> Tissue:
    """Tell tissue from glass and from ink.

    Tissue is what has colour (or, where the settings say so, what differs in brightness from the background): Otsu's
    threshold on the white-balanced, slightly blurred overview, held between bounds that come from the noise of the
    slide's own glass, so that an empty slide gives an empty mask and a faint one does not; or the threshold of the
    settings. Gaps are closed, holes up to 0.05 mm² filled, small pieces dropped, ink and black padding excluded. With
    ``measure: auto`` brightness decides on the slides on which colour finds nothing; their notes say so.

    Args:
        rgb: overview of the slide, (H, W, 3).
        mpp: microns per pixel of the overview.
        settings: background colour, measure, threshold, and the least area of a piece.
    """
    if settings.measure != "auto":
        return _find(rgb, mpp, settings)
    by_colour = _find(rgb, mpp, settings.model_copy(update={"measure": "colour"}))
    if by_colour.mask.any():
        return by_colour
    found = _find(rgb, mpp, settings.model_copy(update={"measure": "brightness"}))
    return (
        replace(found, notes=(*found.notes, "no tissue by its colour, found by brightness"))
        if found.mask.any()
        else by_colour
    )


def _find(rgb: NDArray[np.uint8], mpp: float, settings: TissueSettings) -> Tissue:
    """Tissue by colour or by brightness."""
    measure: Literal["colour", "brightness"] = "brightness" if settings.measure == "brightness" else "colour"
    image = Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(_BLUR_MICRONS / mpp))
    smooth = np.asarray(image)
    notes: list[str] = []
    glass = padding = np.zeros(smooth.shape[:2], bool)
    pen: dict[str, Mask] = {}
    refusal = ""
    if settings.background == "white":
        background = find_background(smooth)
        refusal = dark_background(rgb, background.seen)
        padding = black_padding(rgb, margin=round(3 * _BLUR_MICRONS / mpp) + 1)
        smooth, glass = balance(smooth, background.colour), background.seen & ~padding
        notes += [background.note] if background.note else []
        # Where the colours are wrong, ink cannot be told by its colour.
        pen = {} if background.note or settings.pen == "keep" else _find_pen(smooth, padding, mpp, measure)
    ink = np.logical_or.reduce([padding, *pen.values()])
    measured = np.where(ink, np.uint8(0), _measure(smooth, settings))
    threshold = settings.threshold or _threshold(measured[~ink], measured[glass & ~ink], *_BOUNDS[measure])
    mask = _tidy((measured >= threshold) & ~ink & (not refusal), mpp, settings.min_area_mm2, ink)
    mm2 = (mpp / 1000) ** 2
    areas = {name: float(mark.sum()) * mm2 for name, mark in pen.items()}
    notes += [f"{name} ink, {area:.2g} mm² left out" for name, area in areas.items()]
    return Tissue(mask, threshold, float(mask.sum()) * mm2, areas, tuple(notes), measured, glass, refusal, measure)


def _measure(rgb: NDArray[np.uint8], settings: TissueSettings) -> NDArray[np.uint8]:
    if settings.measure == "colour":
        return chroma(rgb)
    bright = luminance(rgb)
    return 255 - bright if settings.background == "white" else bright


def _find_pen(rgb: NDArray[np.uint8], padding: Mask, mpp: float, measure: str) -> dict[str, Mask]:
    """Marks of ink; not the black ones where dark is what tissue is found by."""
    shown = np.where(padding[..., None], np.uint8(255), rgb)
    return {name: mark for name, mark in find_pen(shown, mpp).items() if name != "black" or measure == "colour"}


def _threshold(values: NDArray[np.uint8], glass: NDArray[np.uint8], least: float, most: float) -> float:
    from skimage.filters import threshold_otsu

    floor = least
    if glass.size:
        middle, spread = middle_and_spread(glass)
        floor = min(max(floor, middle + _NOISE_WIDTH * spread), most)
    otsu = float(threshold_otsu(values)) if values.size else floor  # type: ignore[no-untyped-call]
    return min(max(otsu, floor), most)


def middle_and_spread(values: NDArray[np.uint8]) -> tuple[float, float]:
    """Median, and the standard deviation that the median absolute deviation stands for."""
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


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
