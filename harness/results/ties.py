"""Which studies of a group do not differ in the score that they are ranked by."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from harness.core.errors import DataError
from harness.evaluation.ties import ties
from harness.results.summary import study_predictions
from harness.tasks.registry import lower_is_better

if TYPE_CHECKING:
    from harness.results.leaderboard import Group
    from harness.results.store import RunStore
    from harness.results.studies import Study


def group_ties(store: RunStore, group: Group) -> dict[str, str]:
    """Id of a study → its letters: two that share one do not differ (see :func:`harness.evaluation.ties.ties`).

    Only studies with the same units done can be compared; of several such sets, the largest is. The others have no
    letter, and neither has a single study.

    Args:
        store: the evidence.
        group: studies on the same slides.

    Raises:
        DataError: predictions cannot be read, or do not fit together.
    """
    sign = 1 if lower_is_better(group.metric) else -1
    scored = [(sign * row.value, row.summary.study) for row in group.rows if row.value is not None]
    studies = [study for _, study in sorted(scored, key=lambda one: (one[0], one[1].study_id))]
    if not studies:
        return {}
    units, _ = Counter(map(_units, studies)).most_common(1)[0]
    alike = [study for study in studies if _units(study) == units]
    data = [rows for study in alike if (rows := study_predictions(store, study)) is not None]
    if len(data) < 2 or len(data) < len(alike):
        return {}
    try:
        found = ties(data, group.metric)
    except ValueError as error:
        place = f"{group.dataset}, {group.protocol}"
        raise DataError(
            str(error), place=place, fix="compare two of them at a time: bench compare FIRST SECOND"
        ) from error
    return {study.study_id: letters for study, letters in zip(alike, found.letters, strict=True)}


def _units(study: Study) -> frozenset[tuple[int, int, int]]:
    return frozenset((one.spec["repeat"], one.spec["fold"], one.spec["seed"]) for one in study.records)
