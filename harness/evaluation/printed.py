"""Whether a printed score can be: which means of counts round to it, for so many slides, folds and repeats.

An accuracy is a count over a number of slides, an AUC a count of pairs over twice their number (a tie is half a pair),
and the mean over folds or repeats a sum of such fractions. A printed number stands for every value that rounds to it.
Where none of the possible means is among them, the number is impossible (the GRIM test of Brown and Heathers 2017,
doi:10.1177/1948550616673876, for whole numbers).

All doubt is decided in favour of the number: ties may round either way, errors of floating point are allowed for, and
what would take too long to decide counts as possible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isqrt

import numpy as np

SLACK = Fraction(1, 10**9)
"""How far a computed value may lie outside of the printed range: what floating point adds."""
_MOST = 200_000
"""Combinations of counts that are looked through; with more of them the number counts as possible."""
_MOST_REPEATED = 64
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)")


@dataclass(frozen=True)
class Printed:
    """A number as it was printed: ``.90`` stands for 0.895 to 0.905, ``.9`` for 0.85 to 0.95.

    Attributes:
        text: the printed text.
        value: the number, a percentage already divided by 100.
        unit: one unit of its last digit.
        percent: whether it is a percentage.
    """

    text: str
    value: Fraction
    unit: Fraction
    percent: bool = False

    @classmethod
    def of(cls, text: str, *, percent: bool = False) -> Printed:
        """Read a printed number; a comma may stand for the point.

        Args:
            text: digits, with or without a point.
            percent: whether it is one; a ``%`` behind it says so too.

        Raises:
            ValueError: it is no number.
        """
        bare = text.strip().replace("−", "-")
        percent = percent or bare.endswith("%")
        digits = bare.rstrip("%").strip()
        if len(digits) > 30 or _NUMBER.fullmatch(digits) is None:
            raise ValueError(f"{text[:40]!r} is no number")
        digits = digits.replace(",", ".")
        places = len(digits.partition(".")[2]) + (2 if percent else 0)
        return cls(
            text.strip(), Fraction(digits.rstrip(".")) / (100 if percent else 1), Fraction(1, 10**places), percent
        )

    @property
    def low(self) -> Fraction:
        """The smallest value that may round to it."""
        return self.value - self.unit / 2 - SLACK

    @property
    def high(self) -> Fraction:
        """The largest value that may round to it."""
        return self.value + self.unit / 2 + SLACK

    def moved(self, units: int) -> Printed:
        """The number that is printed so many units of the last digit above it."""
        value = self.value + units * self.unit
        digits = self.text.rstrip("% ").replace(",", ".").partition(".")[2]
        shown = f"{float(value * 100 if self.percent else value):.{len(digits)}f}"
        return Printed(shown + ("%" if self.text.endswith("%") else ""), value, self.unit, self.percent)

    def cut(self) -> Printed:
        """The number in the middle of those that give the same digits where the rest is cut off, not rounded."""
        return Printed(self.text, self.value + self.unit / 2, self.unit, self.percent)


@dataclass(frozen=True)
class Mean:
    """A way in which a mean of scores comes about: a sum of counts over sizes, divided by a number.

    Attributes:
        parts: (size, largest count): each adds count / size, its count any whole number from 0.
        divisor: what the sum is divided by.
        name: in words, for a reader.
    """

    parts: tuple[tuple[int, int], ...]
    divisor: int
    name: str = ""

    def reaches(self, low: Fraction, high: Fraction) -> bool:
        """Whether one of its values lies in the range; True where that would take too long to find out."""
        low, high = low * self.divisor, high * self.divisor
        merged: dict[int, int] = {}
        for size, most in self.parts:
            merged[size] = merged.get(size, 0) + most
        parts = sorted(merged.items(), key=lambda part: part[1])
        if high < 0 or low > sum(Fraction(most, size) for size, most in parts):
            return False
        *others, (size, most) = parts
        if not others:
            return max(0, ceil(low * size)) <= min(most, floor(high * size))
        if np.prod([float(count + 1) for _, count in others]) > _MOST:
            return True
        sums = np.zeros(1)
        for other, count in others:
            sums = np.add.outer(sums, np.arange(count + 1) / other).ravel()
        first = np.maximum(0.0, np.ceil((float(low) - sums) * size - 1e-7))
        last = np.minimum(float(most), np.floor((float(high) - sums) * size + 1e-7))
        return bool((first <= last).any())


def possible(printed: Printed, means: Iterable[Mean] | None) -> bool:
    """Whether one of the ways in which the score may come about gives the printed number; None: any value may be."""
    return means is None or any(mean.reaches(printed.low, printed.high) for mean in means)


def nearest(printed: Printed, means: Sequence[Mean], *, most: int = 1000) -> tuple[Printed, ...]:
    """The next possible numbers below and above an impossible one, printed with as many digits."""
    found = []
    for sign in (-1, 1):
        moved = (printed.moved(sign * units) for units in range(1, most + 1))
        found += [next((one for one in moved if possible(one, means)), None)]
    return tuple(one for one in found if one is not None)


def divisions(total: int, folds: int) -> dict[int, int]:
    """Sizes of folds that differ by one slide at most → how many folds have it."""
    size, larger = divmod(total, folds)
    return {size: folds - larger, size + 1: larger} if larger else {size: folds}


def sums_of(sizes: Iterable[tuple[int, int]], repeats: int) -> tuple[tuple[int, int], ...]:
    """Parts of a mean over ``repeats`` runs, each with folds of these (size, how many)."""
    return tuple((size, size * count * repeats) for size, count in sizes)


def auc_divisions(positive: dict[int, int], negative: dict[int, int], folds: int) -> list[tuple[tuple[int, int], ...]]:
    """(twice the pairs, how many folds), for every number of folds that hold the larger part of both classes."""
    (p, _), (q, _) = min(positive.items()), min(negative.items())
    more_p, more_q = positive.get(p + 1, 0), negative.get(q + 1, 0)
    ways = []
    for both in range(max(0, more_p + more_q - folds), min(more_p, more_q) + 1):
        counts = {
            (p + 1, q + 1): both,
            (p + 1, q): more_p - both,
            (p, q + 1): more_q - both,
            (p, q): folds - more_p - more_q + both,
        }
        ways.append(tuple((2 * a * b, count) for (a, b), count in counts.items() if count))
    return ways


def largest_std(mean_low: float, mean_high: float, count: int) -> float:
    """The largest sample standard deviation of ``count`` scores between 0 and 1 whose mean is in a range.

    With a mean m, the squares add up to most where all scores but one are 0 or 1. That is convex in m between multiples
    of 1/count, so the largest value is at one of these or at the ends of the range.
    """
    low, high = max(0.0, mean_low), min(1.0, mean_high)
    inside = np.arange(ceil(low * count), floor(high * count) + 1) / count if count <= _MOST else np.array([0.5])
    means = np.concatenate([[low, high], inside])
    ones = np.floor(means * count)
    squares = ones + (means * count - ones) ** 2
    variance = np.maximum(0.0, squares - count * means**2) / (count - 1)
    return float(np.sqrt(variance.max()))


def std_reaches(mean: Printed, std: Printed, *, count: int, size: int) -> bool:
    """Whether ``count`` scores, multiples of 1/size, have a mean and a standard deviation that round to these.

    The sum K of their counts is a whole number, and so is the sum Q of their squares, which is even if and only if K is
    (the GRIMMER test of Anaya 2016, doi:10.7287/peerj.preprints.2400v1). For two and three scores it is also looked
    whether such counts exist. Standard deviations of the sample (count - 1) and of the population (count) are taken.
    """
    first, last = ceil(mean.low * count * size), floor(mean.high * count * size)
    if last - first > _MOST or size > 10**6:
        return True
    low, high = max(Fraction(0), std.low) ** 2 * size**2, std.high**2 * size**2
    return any(
        _squares_exist(total, low * divisor, high * divisor, count, size)
        for total in range(max(0, first), min(count * size, last) + 1)
        for divisor in {count - 1, count}
    )


def _squares_exist(total: int, low: Fraction, high: Fraction, count: int, size: int) -> bool:
    """Whether ``count`` counts from 0 to ``size`` add up to ``total``, their squared deviations into a range."""
    each, larger = divmod(total, count)
    full, rest = divmod(total, size)
    centre = Fraction(total * total, count)
    first = max(ceil(centre + low), (count - larger) * each**2 + larger * (each + 1) ** 2)
    last = min(floor(centre + high), full * size**2 + rest**2)
    first += (first - total) % 2
    if first > last or count > 3:
        return first <= last
    if (last - first) // 2 > _MOST_REPEATED:
        return True
    return any(_counts_exist(count, total, squares, size) for squares in range(first, last + 1, 2))


def _counts_exist(count: int, total: int, squares: int, size: int) -> bool:
    """Whether two or three whole numbers from 0 to ``size`` have this sum and this sum of squares."""
    if count == 3:
        return any(_counts_exist(2, total - one, squares - one * one, size) for one in range(min(size, total) + 1))
    apart = 2 * squares - total * total
    if apart < 0 or total < 0:
        return False
    root = isqrt(apart)
    return root * root == apart and (total + root) % 2 == 0 and root <= total and (total + root) // 2 <= size
