"""Curves with the fewest points that show them as they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_TOLERANCE = 0.005


def thinned(x: Floats, y: Floats, tolerance: float = _TOLERANCE) -> tuple[Floats, Floats]:
    """A curve with the fewest points from which none that is left out is further off than ``tolerance``.

    Douglas and Peucker 1973, with the distance taken along y; a step of x that is zero is kept whole.
    """
    keep = np.zeros(len(x), bool)
    keep[[0, -1]] = True
    open_parts = [(0, len(x) - 1)]
    while open_parts:
        first, last = open_parts.pop()
        if last - first < 2:
            continue
        inner = slice(first + 1, last)
        run = x[last] - x[first]
        share = (x[inner] - x[first]) / run if run > 0 else np.zeros(last - first - 1)
        off = np.abs(y[inner] - (y[first] + share * (y[last] - y[first])))
        worst = int(off.argmax())
        if off[worst] > tolerance:
            middle = first + 1 + worst
            keep[middle] = True
            open_parts += [(first, middle), (middle, last)]
    return x[keep], y[keep]
