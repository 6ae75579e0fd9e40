"""Which tiles lie in predicted lesions: the share of a window that is lesion, and the rule that keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rule = Literal["lesion", "top", "tissue", "off"]
"""Why the tiles of a slide were kept; see :func:`keep`. ``off``: there was no filter."""


@dataclass(frozen=True)
class Kept:
    """The tiles of a slide that the bag network sees.

    Attributes:
        rows: per scale, the finest first, the rows of the tiles among all of the slide, rising.
        rule: why these.
    """

    rows: tuple[NDArray[np.int64], ...]
    rule: Rule

    @property
    def count(self) -> int:
        """Number of tiles over all scales."""
        return sum(len(rows) for rows in self.rows)


def window_shares(
    mask: NDArray[np.bool_], corners: NDArray[np.int64], side: int, width: int, height: int
) -> NDArray[np.float64]:
    """Share of each window that is lesion, exact where a window cuts pixels of the mask.

    Args:
        mask: lesion over the whole slide, (S, S); its pixels are rectangles of W / S by H / S level-0 pixels.
        corners: left top corners (x, y) of the windows in level-0 pixels, (n, 2).
        side: side of a window in level-0 pixels. What reaches over the slide's edge is not lesion.
        width: W, of the slide in level-0 pixels.
        height: H.

    Returns:
        Shares from 0 to 1, (n,).
    """
    total = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1))
    np.cumsum(np.cumsum(mask, axis=0, dtype=np.float64), axis=1, out=total[1:, 1:])
    across, down = mask.shape[1] / width, mask.shape[0] / height
    start = np.asarray(corners, np.float64) * (across, down)
    stop = (np.asarray(corners, np.float64) + side) * (across, down)
    area = (
        _area(total, stop[:, 0], stop[:, 1])
        - _area(total, start[:, 0], stop[:, 1])
        - _area(total, stop[:, 0], start[:, 1])
        + _area(total, start[:, 0], start[:, 1])
    )
    shares: NDArray[np.float64] = np.clip(area / (side * across * side * down), 0, 1)
    return shares


def keep(shares: Sequence[NDArray[np.float64]], *, above: float, top: int, least: float) -> Kept:
    """The rule of the paper with two fallbacks, for one slide.

    ``lesion``: the windows of every scale whose share is strictly ``above`` the threshold. If no scale has one,
    ``top``: at every scale the ``top`` windows of largest share among those with at least ``least``; equal shares in
    the order of the grid. If there is none either, ``tissue``: all windows.

    Args:
        shares: per scale, the share of each window that is lesion.
        above: threshold of the paper.
        top, least: of the first fallback.
    """
    found = tuple(np.flatnonzero(share > above) for share in shares)
    if any(len(rows) for rows in found):
        return Kept(found, "lesion")
    best = tuple(np.sort(_largest(share, top, least)) for share in shares)
    if any(len(rows) for rows in best):
        return Kept(best, "top")
    return Kept(tuple(np.arange(len(share)) for share in shares), "tissue")


def _largest(share: NDArray[np.float64], top: int, least: float) -> NDArray[np.int64]:
    order = np.argsort(-share, kind="stable")[:top]
    return order[share[order] >= least]


def _area(total: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lesion area left of and above fractional points of the mask: its summed-area table, read bilinearly."""
    x, y = np.clip(x, 0, total.shape[1] - 1), np.clip(y, 0, total.shape[0] - 1)
    column = np.minimum(x.astype(np.int64), total.shape[1] - 2)
    row = np.minimum(y.astype(np.int64), total.shape[0] - 2)
    right, below = x - column, y - row
    upper = total[row, column] * (1 - right) + total[row, column + 1] * right
    lower = total[row + 1, column] * (1 - right) + total[row + 1, column + 1] * right
    area: NDArray[np.float64] = upper * (1 - below) + lower * below
    return area
