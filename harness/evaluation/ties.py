"""Which of several methods differ: each pair by a paired bootstrap over patients, corrected for the number of pairs."""

from __future__ import annotations

import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness.evaluation.bootstrap import RESAMPLES, two_sided
from harness.evaluation.multiple import holm
from harness.evaluation.paired import paired_draws, paired_rows
from harness.evaluation.rows import Rows

LEVEL = 0.05
"""Pairs whose corrected p-value is smaller differ."""
_PER_PAIR = 80
"""Resamples per pair: the smallest p-value of one pair, corrected for all of them, is then half of :data:`LEVEL`."""


@dataclass(frozen=True)
class Ties:
    """Which studies differ in a score.

    Attributes:
        letters: for each study its letters; two that share one do not differ. Empty for a study without a score.
        p_values: numbers of two studies, the smaller first → two-sided p-value after Holm's correction.
        resamples: of the bootstrap.
    """

    letters: tuple[str, ...]
    p_values: Mapping[tuple[int, int], float]
    resamples: int


def ties(data: Sequence[Rows], metric: str, *, resamples: int | None = None, seed: int = 0) -> Ties:
    """Compare every pair of studies on the same slides.

    Each resample draws the same patients in all studies. A pair with a score that is undefined is not compared.

    Args:
        data: test predictions of each study, the best first: its letter is ``a``.
        metric: name of the score.
        resamples: None for as many as the number of pairs needs.
        seed: of the resampling.

    Raises:
        ValueError: the studies do not hold the same slides, repeats, folds and seeds.
    """
    rows = paired_rows(data)
    n_pairs = len(rows) * (len(rows) - 1) // 2
    count = resamples or max(RESAMPLES, _PER_PAIR * n_pairs)
    drawn = paired_draws(rows, metric, resamples=count, seed=seed)
    known = [k for k, one in enumerate(drawn) if np.isfinite(one).any()]
    pairs = list(combinations(known, 2))
    raw = [two_sided(drawn[a] - drawn[b]) for a, b in pairs]
    p_values = dict(zip(pairs, holm(raw).tolist(), strict=True))
    found = letters(known, {pair for pair, p in p_values.items() if p < LEVEL})
    return Ties(tuple(found.get(k, "") for k in range(len(rows))), p_values, count)


def letters(items: Sequence[int], differ: Collection[tuple[int, int]]) -> dict[int, str]:
    """A compact letter display: two items share a letter if, and only if, they do not differ.

    Each letter stands for a largest possible set of items that do not differ from each other (Piepho 2004,
    doi:10.1198/1061860043515).

    Args:
        items: in the order in which letters are given.
        differ: pairs of items that differ.
    """
    apart = {frozenset(pair) for pair in differ}
    near = {one: {other for other in items if other != one and frozenset((one, other)) not in apart} for one in items}
    place = {one: k for k, one in enumerate(items)}
    sets = sorted(_cliques(set(), set(items), set(), near), key=lambda one: sorted(place[item] for item in one))
    return {one: "".join(letter(k) for k, members in enumerate(sets) if one in members) for one in items}


def _cliques(
    inside: set[int], candidates: set[int], done: set[int], near: Mapping[int, set[int]]
) -> list[frozenset[int]]:
    """Largest sets of items that are all near each other (Bron and Kerbosch 1973, with a pivot)."""
    if not candidates and not done:
        return [frozenset(inside)] if inside else []
    pivot = max(candidates | done, key=lambda one: len(near[one] & candidates))
    found = []
    for one in sorted(candidates - near[pivot]):
        found += _cliques(inside | {one}, candidates & near[one], done & near[one], near)
        candidates = candidates - {one}
        done = done | {one}
    return found


def letter(number: int) -> str:
    """``a`` to ``z``, then ``a1`` to ``z1`` and so on."""
    again, k = divmod(number, len(string.ascii_lowercase))
    return string.ascii_lowercase[k] + (str(again) if again else "")
