"""Outlines of a mask as polygons, with their holes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ring = list[list[float]]
"""Corners as (x, y); the last is the first."""


def outlines(mask: NDArray[np.bool_], scale: tuple[float, float]) -> list[list[Ring]]:
    """The connected pieces of a mask, each its outline and then its holes, along the edges of pixels.

    Args:
        mask: (H, W).
        scale: what a pixel measures across and down, in the units that are wanted.
    """
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    boxes = ndimage.find_objects(labels)
    return [_rings(labels[box] == number + 1, box, scale) for number, box in zip(range(count), boxes, strict=True)]


def _rings(piece: NDArray[np.bool_], box: tuple[slice, ...], scale: tuple[float, float]) -> list[Ring]:
    """Outline and holes of a piece that fills ``box``."""
    from skimage.measure import approximate_polygon, find_contours

    rings = []
    for contour in find_contours(np.pad(piece, 1).astype(float), 0.5):  # type: ignore[no-untyped-call]
        # Contours go through the middles of pixels; what is padded lies one pixel outside.
        rows_and_columns = approximate_polygon(contour, 0.5) - 0.5  # type: ignore[no-untyped-call]
        x = (rows_and_columns[:, 1] + box[1].start) * scale[0]
        y = (rows_and_columns[:, 0] + box[0].start) * scale[1]
        rings.append((_area(x, y), np.stack([x, y], 1).tolist()))
    # The outline encloses its holes.
    return [ring for _, ring in sorted(rings, key=lambda one: -one[0])]


def _area(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return abs(float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1]))) / 2
