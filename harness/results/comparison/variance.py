"""What the scores of compared studies vary by, and how many seeds would tell two of them apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.evaluation.variance import Variance, seeds_needed, study_variance
from harness.results.comparison.many import letter
from harness.results.summary import study_predictions

if TYPE_CHECKING:
    from harness.results.comparison.many import ComparedStudies
    from harness.results.store import RunStore


@dataclass(frozen=True)
class CompareVariance:
    """Components of variance of each study, and seeds for each pair.

    Attributes:
        studies: of each study, in their order.
        seeds: pair of numbers → (difference, seeds per fold that would find it); None for the seeds where none do, or
            nobody knows.
    """

    studies: tuple[Variance, ...]
    seeds: Mapping[tuple[int, int], tuple[float, int | None]]


def compare_variance(store: RunStore, found: ComparedStudies, margin: float | None = None) -> CompareVariance:
    """Split the variance of each study's score, and count the seeds that would tell each pair apart.

    Args:
        store: the evidence.
        found: the comparison.
        margin: the difference that is to be found; None for the one that was observed.
    """
    data = [rows for one in found.summaries if (rows := study_predictions(store, one.study)) is not None]
    each = tuple(study_variance(rows, found.metric) for rows in data)
    seeds = {}
    for one in found.statements:
        a, b = one.pair.first, one.pair.second
        difference = abs(one.pair.value) if margin is None else margin
        noise = each[a].seed, each[b].seed
        known = math.isfinite(difference) and all(math.isfinite(value) for value in noise)
        seeds[a, b] = difference, seeds_needed(difference, noise, each[a].folds) if known else None
    return CompareVariance(each, seeds)


def variance_rows(found: ComparedStudies, variance: CompareVariance) -> list[dict[str, Any]]:
    """A row per study: standard deviations by source, and of its score."""
    return [
        {
            "study": letter(k),
            "study_id": summary.study.study_id,
            "sd_seed": _root(one.seed),
            "sd_fold": _root(one.fold),
            "sd_patients": _root(one.patients),
            "folds": one.folds,
            "seeds": one.seeds,
            "sd_of_score": _root(one.of_mean),
        }
        for k, (summary, one) in enumerate(zip(found.summaries, variance.studies, strict=True))
    ]


def seed_sentences(variance: CompareVariance) -> Sequence[str]:
    """For each pair how many seeds per fold would find the difference, on these test slides."""
    lines = []
    for (a, b), (difference, seeds) in variance.seeds.items():
        names = f"{letter(a)} and {letter(b)}"
        if not (math.isfinite(variance.studies[a].seed) and math.isfinite(variance.studies[b].seed)):
            lines.append(f"{names}: the variance between seeds is unknown; run two seeds or more of both (--seed 0-1)")
        elif seeds is None:
            lines.append(f"{names}: no number of seeds finds a difference of {difference:.4f}")
        else:
            lines.append(
                f"{names}: a difference of {difference:.4f} is found four times in five with {seeds} seeds per fold, "
                "on these test slides"
            )
    return lines


def _root(value: float) -> float | None:
    return math.sqrt(value) if math.isfinite(value) else None
