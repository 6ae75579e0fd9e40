"""Smooth random fields, from small grids of random numbers that are enlarged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float32]


def smooth(rng: np.random.Generator, shape: tuple[int, int], period: float) -> Field:
    """A random field with features about ``period`` pixels wide: mean 0, standard deviation about 0.8.

    Args:
        rng: where the numbers come from.
        shape: (height, width) in pixels.
        period: distance of the random values that the field goes through, in pixels.
    """
    # Three cells beyond the frame on each side, so that the enlarged border is not flat.
    rows, cols = (int(np.ceil(side / period)) + 3 for side in shape)
    small = rng.standard_normal((rows, cols), dtype=np.float32)
    return enlarge(small, shape, box=(1.0, 1.0, 1.0 + shape[1] / period, 1.0 + shape[0] / period))


def octaves(rng: np.random.Generator, shape: tuple[int, int], periods: tuple[float, ...]) -> Field:
    """The sum of smooth fields of several periods, scaled to standard deviation about 1."""
    total = np.zeros(shape, np.float32)
    for period in periods:
        total += smooth(rng, shape, period)
    total /= np.float32(0.8 * np.sqrt(len(periods)))
    return total


def enlarge(
    small: NDArray[np.float32], shape: tuple[int, int], *, box: tuple[float, float, float, float] | None = None
) -> Field:
    """``small`` (or the part of it inside ``box`` = left, top, right, bottom) resized to ``shape``, bicubic."""
    image = Image.fromarray(small).resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=box)
    return np.array(image, np.float32)
