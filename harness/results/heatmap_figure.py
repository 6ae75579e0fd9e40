"""A heatmap for people: attention over a slide's thumbnail, or over nothing, with a scale bar and a colour bar."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from harness.results.attention import FULL, attention_thumbnail, colours
from harness.tasks.figure import INK, axes_at, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

LONGEST_PX = 1024
"""Longest side of the picture."""
_EMPTY = 244
_INCHES, _MARGIN, _BAR = 7.0, 0.45, 1.1


def heatmap_figure(
    coords_x0: NDArray[np.int64],
    side_x0: float,
    weights: NDArray[np.floating],
    *,
    title: str,
    thumbnail: NDArray[np.uint8] | None = None,
    downsample: float = 0.0,
    mpp: float | None = None,
) -> bytes:
    """The bytes of a PNG.

    Args:
        coords_x0: top-left corners of the tiles in level-0 pixels, (n, 2) as x, y.
        side_x0: side of a tile in level-0 pixels.
        weights: attention of each tile, not negative, (n,).
        title: what is drawn.
        thumbnail: of the slide, RGB, (H, W, 3); None draws the tiles alone.
        downsample: level-0 pixels per pixel of the thumbnail.
        mpp: microns per pixel of level 0; None where unknown: the scale bar counts pixels then.
    """
    coords = np.asarray(coords_x0, np.float64)
    if thumbnail is None:
        coords = coords - coords.min(axis=0) + side_x0  # a tile's width around what there is
        downsample = max(1.0, float(coords.max() + 2 * side_x0) / LONGEST_PX)
        width, height = np.ceil((coords.max(axis=0) + 2 * side_x0) / downsample).astype(int)
        thumbnail = np.full((height, width, 3), _EMPTY, np.uint8)
    picture = attention_thumbnail(thumbnail, coords, side_x0, weights, downsample)
    height, width = picture.shape[:2]
    scale = _INCHES / max(height, width)
    wide, high = max(width * scale, 2.0), height * scale
    size = (wide + 2 * _MARGIN + _BAR, high + 2 * _MARGIN + 0.3)
    boxes = [(_MARGIN, _MARGIN, wide, high), (_MARGIN + wide + 0.25, _MARGIN, 0.16, high)]
    with axes_at(size, boxes) as (figure, (axes, bar)):
        axes.imshow(picture, interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(title)
        _scale_bar(axes, width, height, downsample, mpp)
        _colour_bar(bar, np.asarray(weights, np.float64))
        return png(figure)


def _scale_bar(axes: Axes, width: int, height: int, downsample: float, mpp: float | None) -> None:
    """A bar of a round length, about a fifth of the picture, with what it stands for."""
    from matplotlib.patches import Rectangle

    unit = downsample * (mpp or 1.0)  # microns, or level-0 pixels, per pixel of the picture
    length = round_length(width * unit / 5)
    drawn = length / unit
    x, y = 0.03 * width, height - 0.03 * height
    thick = max(2.0, 0.008 * height)
    axes.add_patch(Rectangle((x, y - thick), drawn, thick, facecolor=INK, edgecolor="white", linewidth=0.6))
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
    label = length_text(length) if mpp else f"{length:,.0f} px of level 0"
    axes.text(x, y - 1.8 * thick, label, va="bottom", ha="left", fontsize=9, bbox=box)


def round_length(about: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not above ``about``."""
    power = 10.0 ** math.floor(math.log10(about))
    return max(step * power for step in (1, 2, 5) if step * power <= about * (1 + 1e-9))


def length_text(microns: float) -> str:
    """``500 µm``, ``2 mm``."""
    return f"{microns / 1000:g} mm" if microns >= 1000 else f"{microns:g} µm"


def _colour_bar(axes: Axes, weights: NDArray[np.float64]) -> None:
    """What the colours stand for: weights in multiples of an even share."""
    top = float(np.quantile(weights, FULL)) * len(weights) if len(weights) else 1.0
    steps = np.linspace(0, 1, 256)
    axes.imshow(np.rint(colours(steps)).astype(np.uint8)[::-1, None], aspect="auto", extent=(0, 1, 0, 1))
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks([0, 0.5, 1], [f"{share * top:.2g}" for share in (0, 0.5, 1)])
    axes.set_ylabel("attention, times the even share")
    axes.yaxis.set_label_position("right")
