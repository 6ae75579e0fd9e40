"""Rows that bags have in common, up to rounding: feature vectors that were stored at another precision still match.

Every row is standardised column by column, projected on a few random directions, and each coordinate is rounded
(p-stable hashing: Datar, Immorlica, Indyk and Mirrokni 2004, section 3). Rows that are nearly equal fall into the same
cell, and cells are compared by a 64-bit number, so that 100,000 rows take seconds and no row is compared with every
other.

Centre and scale of a column are its median and the median absolute deviation, and what lies far out is compressed to
its logarithm: one value of 1e30 moves its own row, and neither the scale of its column nor that of the others.

A row counts by how rare it is (its self-information): one that most bags hold, such as that of a blank tile or a
one-hot vector, says nothing about two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVIDENCE = np.log(1000.0)
"""Two bags are not reported unless the rows that they share are this improbable by chance, in nats."""

CELL = 0.25
"""Side of a cell, as a fraction of the typical distance of a row from the centre."""

_DIRECTIONS = 6
_SAMPLE = 1 << 15
_SEED = 20250101
_ROUNDING = 2.0**-8
"""A column that varies by less than this part of its median varies by what float16 and bfloat16 round away."""
_LEAST_SCALE = 0.05
"""Columns that vary less than this part of the typical column are not enlarged to the same size: it would be noise."""
_UNSEEN = 0.02
"""Bags that are taken to hold a row which no third bag holds, at least."""
_COINCIDENT = 0.1
"""From so many on, coincidences are the rule: the number of pairs is then taken into account."""

Bag = Callable[[], "NDArray[Any]"]
"""Gives the rows of a bag, (n, D)."""


def shared_rows(bags: Sequence[Bag], *, cell: float = CELL, least: int = 1) -> Iterator[tuple[int, int, float]]:
    """(i, j, share) of all pairs i < j that have more rows in common than chance explains.

    Args:
        bags: give (n, D) each, the same D; asked for twice.
        cell: how near two rows have to be, see :data:`CELL`.
        least: how many rare rows two bags must share to be reported.

    Yields:
        ``share``, up to 1: of the distinct rows of the smaller bag, those in common, weighted by their rarity, and
        corrected for what it has in common with any other bag (as Cohen's kappa is). A row that a bag holds many times
        (blank tiles) counts once, and one that nearly all bags hold counts next to nothing.
    """
    sample = _sample(bags)
    if not len(sample):
        return
    columns = Columns.of(sample)
    keys = [columns.keys(bag(), cell) for bag in bags]
    sizes = np.array([len(one) for one in keys])
    _, cells, filled = np.unique(np.concatenate(keys), return_inverse=True, return_counts=True)
    # All bags of each cell, one cell behind the other.
    holders = np.repeat(np.arange(len(keys)), sizes)[np.argsort(cells, kind="stable")]
    first = np.cumsum(filled) - filled
    # How improbable it is that a bag holds a row of this cell, by the bags other than the two that are compared.
    others = np.maximum(filled - 2, 0)
    unseen = _unseen(filled, holders, first)
    # Where coincidences are seen, the number of pairs counts: among many, one has several of them.
    required = EVIDENCE + (np.log(len(keys)) * 2 if unseen > _COINCIDENT else 0.0)
    rarity = np.log(np.maximum(len(keys) / (others + unseen), 1.0))
    limit = columns.information - float(np.log(max(1.0, np.median(sizes))))
    weights = np.minimum(rarity, min(max(0.0, limit), EVIDENCE / least))
    popularity = weights * others / max(1, len(keys) - 2)
    cells_of = np.split(cells, np.cumsum(sizes)[:-1])
    totals = np.array([weights[mine].sum() for mine in cells_of])
    expected = np.array([popularity[mine].sum() for mine in cells_of])
    for i, mine in enumerate(cells_of):
        several = mine[(filled[mine] > 1) & (weights[mine] > 0)]
        if not len(several):
            continue
        beside = np.concatenate([holders[first[cell] : first[cell] + filled[cell]] for cell in several.tolist()])
        common = np.bincount(beside, np.repeat(weights[several], filled[several]), minlength=len(keys))
        for j in (np.flatnonzero(common[i + 1 :] >= required) + i + 1).tolist():
            smaller = min((i, j), key=totals.__getitem__)
            by_chance = expected[smaller]
            if (rest := totals[smaller] - by_chance) > 1e-9:
                yield i, j, min(1.0, round(float((common[j] - by_chance) / rest), 9))


@dataclass(frozen=True, eq=False)
class Columns:
    """Centre and scale of the columns of all bags, and what follows from them.

    Attributes:
        sample: rows of all bags, standardised, (m, D).
        centre, scale: of each column, (D,).
    """

    sample: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def of(cls, sample: NDArray[np.float64]) -> Columns:
        """Estimated from rows of all bags, (m, D)."""
        centre = np.median(sample, axis=0)
        scale = _deviation(np.abs(sample - centre))
        varying = scale[scale > 0]
        least = np.maximum(_LEAST_SCALE * (np.median(varying) if len(varying) else 0.0), _ROUNDING * np.abs(centre))
        scale = np.maximum(scale, least)
        scale[scale == 0] = 1.0
        return cls(_standardised(sample, centre, scale), centre, scale)

    @cached_property
    def spread(self) -> float:
        """Typical distance of a row from the centre."""
        distances = np.linalg.norm(self.sample, axis=1)
        return float(np.median(distances[distances > 0])) if (distances > 0).any() else 1.0

    @cached_property
    def information(self) -> float:
        """How improbable it is that two rows of different bags fall into one cell by chance, in nats: few columns, or
        columns of few values, tell little. Of columns that go together it is an upper bound.
        """
        rows = np.random.default_rng(_SEED).permutation(self.sample)
        near = np.abs(rows - np.roll(rows, 1, axis=0)) < CELL
        return float(-np.log(np.maximum(near.mean(axis=0), 1 / (len(rows) + 1))).sum())

    def keys(self, rows: NDArray[Any], cell: float) -> NDArray[np.uint64]:
        """The distinct cells of ``rows`` (n, D), as sorted numbers."""
        draws = np.random.default_rng(_SEED)
        directions = draws.normal(size=(len(self.scale), _DIRECTIONS)) / (self.spread * cell)
        shift = draws.uniform(size=_DIRECTIONS)
        odd = draws.integers(1 << 62, size=_DIRECTIONS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        near = _standardised(np.asarray(rows, np.float64), self.centre, self.scale)
        cells = np.floor(near @ directions + shift).astype(np.int64)
        mixed = (cells.astype(np.uint64) * odd).sum(axis=1, dtype=np.uint64)  # wraps around, as it should
        return np.unique(mixed)


def _unseen(filled: NDArray[np.int64], holders: NDArray[np.int64], first: NDArray[np.int64]) -> float:
    """How many further bags hold a row that one bag holds, by Good and Turing: many, where few rows are distinct.

    Cells that two bags hold are compared with those that one holds. The pair with most of the former is left out: it
    may be a bag and its copy.
    """
    two = first[filled == 2]
    pairs = holders[two] * (holders.max() + 1) + holders[two + 1]
    copied = int(np.unique(pairs, return_counts=True)[1].max()) if len(two) else 0
    return float(np.clip(2 * (len(two) - copied) / (1 + np.count_nonzero(filled == 1)), _UNSEEN, 1.0))


def _standardised(
    rows: NDArray[np.float64], centre: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Linear near the centre, logarithmic far from it."""
    with np.errstate(over="ignore"):
        return np.arcsinh(np.clip((rows - centre) / scale, -1e300, 1e300))


def _deviation(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median distance from the centre, by column; of sparse columns, the median of what is not at the centre."""
    found = np.median(distances, axis=0)
    for column in np.flatnonzero(found == 0):
        away = distances[:, column]
        found[column] = np.median(away[away > 0]) if (away > 0).any() else 0.0
    return found


def _sample(bags: Sequence[Bag]) -> NDArray[np.float64]:
    """Some rows of each bag, evenly spread, about :data:`_SAMPLE` in all: enough for centre and scale."""
    most = min(256, max(8, _SAMPLE // max(1, len(bags))))
    some = []
    for bag in bags:
        rows = bag()
        some.append(np.asarray(rows[:: max(1, len(rows) // most)][:most], np.float64))
    return np.concatenate(some) if some else np.empty((0, 0))
