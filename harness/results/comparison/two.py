"""Two studies on the same slides, side by side: what differs between them, and whether it made a difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataError, UsageError
from harness.evaluation.paired import compare
from harness.results.differences import UNSET, differing, settings_of
from harness.results.store import RunStore
from harness.results.summary import Summary, study_predictions, summarise

if TYPE_CHECKING:
    from harness.evaluation.bootstrap import Difference
    from harness.results.studies import Study

_SAME = {"dataset": "dataset", "dataset_fingerprint": "content of the dataset", "split_sha256": "split file"}
"""What two studies have to have in common, by its name in a unit's spec."""


@dataclass(frozen=True)
class Comparison:
    """Two studies on the same units.

    Attributes:
        first, second: the studies in numbers.
        differences: metric → second minus first, with its 95 % interval over patients: every resample draws the same
            patients in both.
        changed: setting → its value in the first and in the second study, where they differ.
    """

    first: Summary
    second: Summary
    differences: Mapping[str, Difference]
    changed: Mapping[str, tuple[Any, Any]]


def compare_studies(store: RunStore, first: Study, second: Study, *, resamples: int = 2000) -> Comparison:
    """Compare two studies by their test predictions, paired by slide and unit.

    Args:
        store: the evidence.
        first, second: the studies; differences are second minus first.
        resamples: of the bootstrap over patients.

    Raises:
        UsageError: one study twice.
        DataError: the studies are of other slides, content, splits, folds or seeds, or one has no finished unit.
    """
    check_comparable((first, second))
    place = f"{first.study_id} and {second.study_id}"
    one, other = study_predictions(store, first), study_predictions(store, second)
    assert one is not None and other is not None
    try:
        differences = compare(other, one, resamples=resamples)
    except ValueError as error:
        raise DataError(
            str(error), place=place, fix="compare studies of the same task, run on the same data"
        ) from error
    return Comparison(
        summarise(store, first, resamples=resamples),
        summarise(store, second, resamples=resamples),
        differences,
        changed(first, second),
    )


def check_comparable(studies: Sequence[Study]) -> None:
    """Refuse studies that cannot be compared slide by slide.

    Raises:
        UsageError: fewer than two, or one of them twice.
        DataError: they are of other slides, content, splits, folds or seeds, or one has no finished unit.
    """
    check_comparable_data(studies)
    for study in studies[1:]:
        _check_units(studies[0], study, f"{studies[0].study_id} and {study.study_id}")


def check_comparable_data(studies: Sequence[Study]) -> None:
    """Refuse studies on other data or splits, whichever of their units are done.

    Raises:
        UsageError: fewer than two, or one of them twice.
        DataError: they are of other slides, content or splits, or one has no finished unit.
    """
    if len(studies) < 2:
        raise UsageError("one study alone cannot be compared", place="bench compare", fix="name two studies or more")
    ids = [study.study_id for study in studies]
    if twice := [name for name in ids if ids.count(name) > 1]:
        raise UsageError("two names stand for the same study", place=twice[0], fix="name each study once")
    for study in studies:
        if not study.records:
            raise DataError(
                "the study has no finished unit",
                place=study.study_id,
                fix="run it with bench run --method NAME --dataset NAME",
            )
    for study in studies[1:]:
        _check_same(studies[0], study, f"{studies[0].study_id} and {study.study_id}")


def changed(first: Study, second: Study) -> dict[str, tuple[Any, Any]]:
    """Settings that differ between two studies, by dotted name; ``unset`` where one has no such setting."""
    a, b = settings_of(first), settings_of(second)
    return {name: (a.get(name, UNSET), b.get(name, UNSET)) for name in differing([a, b])}


def _check_same(first: Study, second: Study, place: str) -> None:
    for name, words in _SAME.items():
        a, b = (study.records[0].spec.get(name) for study in (first, second))
        if a != b:
            raise DataError(
                f"the studies differ in their {words}: {str(a)[:12]} and {str(b)[:12]}",
                place=place,
                fix="compare studies on the same slides and folds; bench leaderboard show groups them",
            )


def _check_units(first: Study, second: Study, place: str) -> None:
    mine, theirs = ({_unit(record.spec) for record in study.records} for study in (first, second))
    if mine != theirs:
        alone = [
            f"{', '.join(sorted(units)[:4])}{' ...' if len(units) > 4 else ''} in {study.study_id} only"
            for study, units in ((first, mine - theirs), (second, theirs - mine))
            if units
        ]
        raise DataError(
            f"the studies have not the same units done: {'; '.join(alone)}",
            place=place,
            fix="run what is missing, with the same --fold and --seed",
        )


def _unit(spec: Mapping[str, Any]) -> str:
    return f"r{spec['repeat']}f{spec['fold']} seed {spec['seed']}"
