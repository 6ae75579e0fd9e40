"""Any number of studies on the same slides: every pair in one score, fold by fold and pooled, with what they cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import DataError, UsageError
from harness.core.suggest import unknown
from harness.evaluation.non_inferiority import NonInferiority, non_inferiority
from harness.evaluation.paired import differences as paired_differences
from harness.evaluation.paired import drawn_together, paired_rows
from harness.evaluation.pairs import TESTS, Pair, Test, compare_pairs, unit_scores
from harness.evaluation.study_scores import point_scores
from harness.evaluation.ties import letter as lower_letter
from harness.results.comparison.two import check_comparable
from harness.results.comparison.words import sentence
from harness.results.summary import Summary, study_predictions, summarise
from harness.tasks.registry import lower_is_better

if TYPE_CHECKING:
    from harness.evaluation.bootstrap import Difference
    from harness.evaluation.rows import Rows
    from harness.results.store import RunStore
    from harness.results.studies import Study


@dataclass(frozen=True)
class Statement:
    """A pair of studies in words.

    Attributes:
        pair: in numbers.
        margin: what it says about non-inferiority of the second and of the first; None without a margin.
        text: one sentence.
    """

    pair: Pair
    margin: tuple[NonInferiority, NonInferiority] | None
    text: str


@dataclass(frozen=True)
class ComparedStudies:
    """Studies on the same units, compared in one score.

    Attributes:
        summaries: each study in numbers, in the order in which they were named.
        metric: the score.
        test: what p-values and intervals rest on.
        statements: every pair, second minus first.
        folds: a row per unit, ``repeat, fold, seed`` and the score of each study (``A``, ``B``, ...), then one with all
            folds of a run pooled, its ``fold`` None.
        patients: how many there are.
        differences: of two studies the second minus the first in every score; of more, empty.
    """

    summaries: tuple[Summary, ...]
    metric: str
    test: Test
    statements: tuple[Statement, ...]
    folds: tuple[Mapping[str, Any], ...]
    patients: int
    differences: Mapping[str, Difference] = field(default_factory=dict)


def letter(number: int) -> str:
    """``A`` for 0, ``B`` for 1; from 26 on ``A1`` and so on."""
    return lower_letter(number).upper()


def compare_many(
    store: RunStore,
    studies: Sequence[Study],
    *,
    metric: str | None = None,
    test: Test = "bootstrap",
    margin: float | None = None,
    resamples: int = 2000,
) -> ComparedStudies:
    """Compare every pair of two or more studies by their stored test predictions.

    Args:
        store: the evidence.
        studies: in any order; differences are later minus earlier.
        metric: the score; None for the first of the task.
        test: see :mod:`harness.evaluation.pairs`.
        margin: the largest loss that does not matter, for non-inferiority.
        resamples: of the bootstrap over patients.

    Raises:
        UsageError: a study twice, or a score, test or margin that does not fit.
        DataError: the studies are of other slides, content, splits, folds or seeds, or one has no finished unit.
    """
    check_comparable(studies)
    place = ", ".join(study.study_id for study in studies)
    if test not in TESTS:
        raise unknown("test", test, TESTS, place="--test", listing="docs/compare.md")
    if margin is not None and not (margin > 0 and math.isfinite(margin)):
        raise UsageError(f"a margin is a number above 0, not {margin}", place="--margin", fix="give it like 0.02")
    data = [rows for study in studies if (rows := study_predictions(store, study)) is not None]
    if metric is not None and metric not in data[0].names:
        raise unknown("metric", metric, data[0].names, place="--metric", listing="docs/statistics.md")
    name = metric or data[0].names[0]
    try:
        ratio = _test_to_train(studies[0], place) if test == "resampled-t" else math.nan
        drawn = None
        differences: Mapping[str, Difference] = {}
        if len(data) == 2:  # all their scores are shown: one draw serves these and the pair
            both = paired_rows(data)
            every = drawn_together(both, resamples=resamples)
            drawn = [one[name] for one in every]
            differences = paired_differences(both[1], both[0], every[::-1])
        pairs = compare_pairs(data, name, test=test, test_to_train=ratio, resamples=resamples, drawn=drawn)
    except ValueError as error:
        raise DataError(
            str(error), place=place, fix="compare studies of the same task and data, or leave --test out"
        ) from error
    lower = lower_is_better(name)
    patients = len(np.unique(data[0].patient))
    return ComparedStudies(
        tuple(summarise(store, study, resamples=resamples) for study in studies),
        name,
        test,
        tuple(_statement(pair, name, margin, lower=lower, patients=patients, pairs=len(pairs)) for pair in pairs),
        tuple(_fold_rows(data, name)),
        patients,
        differences,
    )


def _statement(pair: Pair, metric: str, margin: float | None, *, lower: bool, patients: int, pairs: int) -> Statement:
    judged = None
    if margin is not None:
        low, high = pair.low_all, pair.high_all
        judged = (
            non_inferiority(low, high, margin, lower_is_better=lower),
            non_inferiority(-high, -low, margin, lower_is_better=lower),
        )
    names = letter(pair.first), letter(pair.second)
    text = sentence(pair, names, metric, judged, lower=lower, patients=patients, pairs=pairs)
    return Statement(pair, judged, text)


def _fold_rows(data: Sequence[Rows], metric: str) -> list[dict[str, Any]]:
    """The score of every study in every unit, and of all folds of a run pooled."""
    columns = [{unit[:3]: unit[3] for unit in unit_scores(one, metric)} for one in data]
    rows: list[dict[str, Any]] = [
        dict(zip(("repeat", "fold", "seed"), unit, strict=True))
        | {letter(k): _known(column[unit]) for k, column in enumerate(columns)}
        for unit in sorted(columns[0])
    ]
    pooled = [point_scores(replace(one, fold=np.zeros(len(one), dtype=np.int64)))[metric] for one in data]
    return [
        *rows,
        {"repeat": None, "fold": None, "seed": None} | {letter(k): _known(value) for k, value in enumerate(pooled)},
    ]


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _test_to_train(study: Study, place: str) -> float:
    """Test slides over training slides, the mean over units."""
    counts = [record.counts for record in study.records]
    try:
        ratios = [one["test"]["slides"] / one["train"]["slides"] for one in counts]
    except (KeyError, TypeError, ZeroDivisionError):
        raise DataError(
            "the records do not say how many slides were trained on, which the resampled t-test needs",
            place=place,
            fix="leave --test out",
        ) from None
    return float(np.mean(ratios))
