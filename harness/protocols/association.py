"""How much two columns of names go together: Cramér's V."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np


def cramers_v(one: Sequence[Hashable], other: Sequence[Hashable]) -> float | None:
    """Cramér's V with the bias correction of Bergsma (2013), "A bias-correction for Cramér's V and Tschuprow's T".

    Args:
        one, other: a value of each per item, of the same length.

    Returns:
        0 (independent) to 1 (each determines the other, as far as their numbers of values allow); None where it is
        undefined: one of the two has a single value, or there are too few items for the correction.
    """
    table = _contingency(one, other)
    rows, columns = table.shape
    total = int(table.sum())
    if min(rows, columns) < 2:
        return None
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    phi2 = float(((table - expected) ** 2 / expected).sum()) / total
    phi2 = max(0.0, phi2 - (rows - 1) * (columns - 1) / (total - 1))
    least = min(size - (size - 1) ** 2 / (total - 1) for size in (rows, columns)) - 1
    return min(1.0, float(np.sqrt(phi2 / least))) if least > 1e-9 else None


def _contingency(one: Sequence[Hashable], other: Sequence[Hashable]) -> np.ndarray:
    """How often each value of ``one`` meets each of ``other``."""
    first, second = ({value: number for number, value in enumerate(dict.fromkeys(both))} for both in (one, other))
    table = np.zeros((len(first), len(second)))
    for a, b in zip(one, other, strict=True):
        table[first[a], second[b]] += 1
    return table
