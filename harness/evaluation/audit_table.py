"""Auditing a printed result: what its score and its standard deviation can have come from, if anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from harness.evaluation.printed import (
    Mean,
    Printed,
    auc_divisions,
    divisions,
    largest_std,
    nearest,
    possible,
    std_reaches,
    sums_of,
)

Verdict = Literal["possible", "impossible", "not checked"]
COUNTED = ("accuracy", "error", "sensitivity", "specificity", "balanced_accuracy", "auc")
"""Scores that are counts, or means of counts: their values can be listed."""
BOUNDED = (*COUNTED, "precision", "f1", "average_precision", "c_index")
"""Scores between 0 and 1: their standard deviation has a limit."""


@dataclass(frozen=True)
class Design:
    """How a printed score was measured, as far as the paper says.

    Attributes:
        n: test slides: of the test set, or of all folds of a cross-validation together.
        n_pos: how many of them are positive.
        folds: test sets that are different slides; 1 for a fixed test set.
        repeats: how often that was done over: seeds on one test set, or repeated cross-validation.
        fold_sizes: slides of each fold; None for folds that differ by one slide at most.
        fold_pos: positive slides of each fold; None where they are not known.
        stratified: whether the positive slides of any two folds differ by one at most, and the negative ones.
        average: ``folds`` where the score is the mean over folds, ``pooled`` where it is that of all predictions of a
            run together; None for either.
    """

    n: int | None = None
    n_pos: int | None = None
    folds: int = 1
    repeats: int = 1
    fold_sizes: tuple[int, ...] | None = None
    fold_pos: tuple[int, ...] | None = None
    stratified: bool = False
    average: Literal["folds", "pooled"] | None = None


@dataclass(frozen=True)
class Way:
    """A way in which a score and its standard deviation may come about.

    Attributes:
        mean: of the score; None for any value.
        spreads: (how many scores, what they are multiples of) the standard deviation may be over: of each the number
            s where they are multiples of 1/s, None where they may be anything between 0 and 1.
    """

    mean: Mean | None
    spreads: tuple[tuple[int, int | None], ...]


@dataclass(frozen=True)
class Finding:
    """What the audit of a printed result came to.

    Attributes:
        verdict: ``impossible`` is proven, given the design; ``possible`` is not proven impossible.
        reason: why it is impossible or not checked; empty where it is possible.
        nearest: possible numbers next to an impossible one.
        sensitivity: share of wrong last digits that would have been found impossible; None where nothing was checked.
    """

    verdict: Verdict
    reason: str = ""
    nearest: tuple[str, ...] = ()
    sensitivity: float | None = None


def audit(metric: str, value: Printed, std: Printed | None, design: Design) -> Finding:
    """Whether a printed score, with its standard deviation if there is one, can come from a design.

    Args:
        metric: one of :data:`BOUNDED`; all others are not checked.
        value, std: as printed.
        design: numbers of slides, folds and repeats.
    """
    if metric not in BOUNDED:
        return Finding("not checked", f"{metric} is none of: {', '.join(BOUNDED)}")
    if value.low > 1 or value.high < 0:
        return Finding("impossible", f"{metric} lies between 0 and 1")
    if std is not None and std.high < 0:
        return Finding("impossible", "a standard deviation is not negative")
    # A spread that folds and repeats do not explain is one over runs that nobody has counted.
    uncounted = std is not None and std.value > 0 and design.folds * design.repeats == 1
    ways = [Way(None, ())] if uncounted else ways_of(metric, design)
    means = None if any(way.mean is None for way in ways) else [way.mean for way in ways if way.mean is not None]
    if means is not None and not possible(value, means):
        return _no_mean(value, means)
    if std is not None and not any(_explains(way, value, std) for way in ways):
        return _no_spread(value, std, ways)
    if means is None and std is None:
        return Finding("not checked", _unknown(metric, design))
    return Finding("possible", sensitivity=None if means is None else _sensitivity(value, means))


def ways_of(metric: str, design: Design) -> list[Way]:
    """All ways in which a score may come about; one of any value where the design does not say enough."""
    if metric not in COUNTED or design.n is None:
        return [Way(None, _spreads(design, None))]
    if metric in {"accuracy", "error"}:
        sizes = _sizes(design.n, design, design.fold_sizes, alike=True)
        return _counted(design.n, sizes, design)
    if design.n_pos is None or not 0 < design.n_pos < design.n:
        return [Way(None, _spreads(design, None))]
    n_neg = design.n - design.n_pos
    positive = _sizes(design.n_pos, design, design.fold_pos, alike=design.stratified)
    negative = _sizes(n_neg, design, _negative(design), alike=design.stratified)
    if metric == "sensitivity":
        return _counted(design.n_pos, positive, design)
    if metric == "specificity":
        return _counted(n_neg, negative, design)
    if metric == "auc":
        return _areas(design.n_pos, n_neg, positive, negative, design)
    return _balanced(design.n_pos, n_neg, positive, negative, design)


def _counted(total: int, sizes: dict[int, int] | None, design: Design) -> list[Way]:
    """Ways of a score that is a count over a number of slides, in every fold of these sizes."""
    folds, repeats = design.folds, design.repeats
    pooled = Way(Mean(((total, total * repeats),), repeats), _spreads(design, None, run=total))
    if folds == 1:
        return [Way(pooled.mean, _several((repeats, total)))]
    if sizes is None or 0 in sizes:
        averaged = Way(None, _spreads(design, None))
    else:
        mean = Mean(sums_of(sizes.items(), repeats), folds * repeats)
        averaged = Way(mean, _spreads(design, next(iter(sizes)) if len(sizes) == 1 else None))
    return {"pooled": [pooled], "folds": [averaged], None: [averaged, pooled]}[design.average]


def _areas(
    n_pos: int, n_neg: int, positive: dict[int, int] | None, negative: dict[int, int] | None, design: Design
) -> list[Way]:
    folds, repeats = design.folds, design.repeats
    pairs = 2 * n_pos * n_neg
    pooled = Way(Mean(((pairs, pairs * repeats),), repeats), _spreads(design, None, run=pairs))
    if folds == 1:
        return [Way(pooled.mean, _several((repeats, pairs)))]
    ways: list[tuple[tuple[int, int], ...]] | None = None
    if design.fold_pos is not None and design.fold_sizes is not None:
        both = zip(design.fold_sizes, design.fold_pos, strict=True)
        ways = [tuple((2 * p * (size - p), 1) for size, p in both)]
    elif positive is not None and negative is not None:
        ways = auc_divisions(positive, negative, folds)
    if ways is None or any(size == 0 for way in ways for size, _ in way):
        averaged = [Way(None, _spreads(design, None))]
    else:
        averaged = [
            Way(
                Mean(sums_of(way, repeats), folds * repeats),
                _spreads(design, way[0][0] if len({size for size, _ in way}) == 1 else None),
            )
            for way in ways
        ]
    return {"pooled": [pooled], "folds": averaged, None: [*averaged, pooled]}[design.average]


def _balanced(
    n_pos: int, n_neg: int, positive: dict[int, int] | None, negative: dict[int, int] | None, design: Design
) -> list[Way]:
    folds, repeats = design.folds, design.repeats
    pooled = Way(Mean(((n_pos, n_pos * repeats), (n_neg, n_neg * repeats)), 2 * repeats), _spreads(design, None))
    if folds == 1:
        return [pooled]
    if positive is None or negative is None or 0 in positive or 0 in negative:
        averaged = Way(None, _spreads(design, None))
    else:
        parts = sums_of([*positive.items(), *negative.items()], repeats)
        averaged = Way(Mean(parts, 2 * folds * repeats), _spreads(design, None))
    return {"pooled": [pooled], "folds": [averaged], None: [averaged, pooled]}[design.average]


def _sizes(total: int, design: Design, known: Sequence[int] | None, *, alike: bool) -> dict[int, int] | None:
    """Sizes of folds → how many have it; None where they are not known."""
    if known is not None:
        return {size: list(known).count(size) for size in known}
    return divisions(total, design.folds) if alike else None


def _negative(design: Design) -> tuple[int, ...] | None:
    if design.fold_sizes is None or design.fold_pos is None:
        return None
    return tuple(size - p for size, p in zip(design.fold_sizes, design.fold_pos, strict=True))


def _spreads(design: Design, size: int | None, run: int | None = None) -> tuple[tuple[int, int | None], ...]:
    """What the standard deviation may be over: all folds of all repeats, the repeats, or the folds.

    Args:
        design: numbers of folds and repeats.
        size: what the scores of all folds are multiples of, where it is one number.
        run: what the score of a whole run is a multiple of, where that is not ``size`` times the number of folds.
    """
    folds, repeats = design.folds, design.repeats
    run = run or (None if size is None else size * folds)
    return _several((folds * repeats, size), (repeats, run), (folds, None if size is None else size * repeats))


def _several(*spreads: tuple[int, int | None]) -> tuple[tuple[int, int | None], ...]:
    return tuple(one for one in spreads if one[0] > 1)


def _explains(way: Way, value: Printed, std: Printed) -> bool:
    """Whether a score and its standard deviation may both come about in this way."""
    if way.mean is not None and not possible(value, [way.mean]):
        return False
    if not way.spreads:
        return _below_any_limit(value, std)
    return any(
        std_reaches(value, std, count=count, size=size)
        if size is not None
        else float(std.low) <= largest_std(float(value.low), float(value.high), count) + 1e-9
        for count, size in way.spreads
    )


def _below_any_limit(value: Printed, std: Printed) -> bool:
    """Whether it is below sqrt(2 m (1 - m)), the limit of a sample standard deviation for any number of scores."""
    low, high = max(Fraction(0), value.low), min(Fraction(1), value.high)
    middle = min(max(Fraction(1, 2), low), high)
    return std.low <= 0 or std.low**2 <= 2 * middle * (1 - middle) + Fraction(1, 10**9)


def _no_mean(value: Printed, means: Sequence[Mean]) -> Finding:
    around = tuple(one.text for one in nearest(value, means))
    reason = "no whole number of slides or pairs gives it"
    if possible(value.cut(), means):
        reason += "; it could be a number that was cut off instead of rounded"
    return Finding("impossible", reason, around, _sensitivity(value, means))


def _no_spread(value: Printed, std: Printed, ways: Sequence[Way]) -> Finding:
    counts = sorted({count for way in ways for count, _ in way.spreads if count > 1})
    largest = max((largest_std(float(value.low), float(value.high), count) for count in counts), default=None)
    if largest is None or std.low > Fraction(largest):
        limit = (
            "" if largest is None else f": {' or '.join(map(str, counts))} scores with this mean reach {largest:.3f}"
        )
        return Finding("impossible", f"the standard deviation {std.text} is too large{limit}")
    return Finding("impossible", f"no scores of {' or '.join(map(str, counts))} runs have this mean and std {std.text}")


def _unknown(metric: str, design: Design) -> str:
    if metric not in COUNTED:
        return "only its standard deviation can be checked, and there is none"
    if design.n is None:
        return "the number of slides is not given"
    if metric not in {"accuracy", "error"} and design.n_pos is None:
        return "the number of positive slides is not given"
    return "the number of positive slides in each fold is not given"


def _sensitivity(value: Printed, means: Sequence[Mean]) -> float:
    """Share of the other last digits that are impossible."""
    digit = int(value.value / value.unit) % 10
    others = [value.moved(other - digit) for other in range(10) if other != digit]
    return sum(not possible(one, means) for one in others) / len(others)
