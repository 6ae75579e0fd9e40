"""The studies of one or several runs folders, grouped and ranked together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.core.errors import DataError
from harness.results.leaderboard import Group, Row, leaderboard, ranked
from harness.results.summary import study_predictions
from harness.tasks.registry import lower_is_better

if TYPE_CHECKING:
    from harness.evaluation.rows import Rows
    from harness.results.store import RunStore
    from harness.results.studies import Broken
    from harness.verification.finding import Verification


@dataclass(frozen=True)
class Collected:
    """What is in some runs folders.

    Attributes:
        groups: studies that compare, by dataset and protocol.
        stores: id of a study → where its evidence is.
        predictions: id of a study → its test predictions.
        verifications: id of a study → whether its evidence is what a run left behind.
        broken: evidence that cannot be read.
    """

    groups: tuple[Group, ...]
    stores: Mapping[str, RunStore]
    predictions: Mapping[str, Rows]
    verifications: Mapping[str, Verification]
    broken: tuple[Broken, ...]


def collect(stores: Sequence[RunStore], *, metric: str | None = None) -> Collected:
    """Read runs folders; a study that stands in several is taken from the first of them.

    Args:
        stores: where the evidence is.
        metric: name of the score to rank by; None takes the first one of each task.

    Raises:
        DataError: there is no finished unit in any of them.
    """
    rows: dict[tuple[str, str, str, str, str], list[Row]] = {}
    places: dict[str, RunStore] = {}
    verifications: dict[str, Verification] = {}
    broken: list[Broken] = []
    for store in stores:
        board = leaderboard(store, metric=metric)
        broken += board.broken
        for group in board.groups:
            key = (group.dataset, group.protocol, group.split, group.data, group.metric)
            for row in group.rows:
                study = row.summary.study
                if places.setdefault(study.study_id, store) is store:
                    verifications[study.study_id] = row.verification
                    rows.setdefault(key, []).append(replace(row, rank=None))
    if not rows:
        raise DataError(
            "there is no finished unit",
            place=", ".join(str(store.root) for store in stores),
            fix="run a study (bench run --method abmil --dataset musk1), or point --out to your runs",
        )
    groups = tuple(
        Group(*key, ranked(members, lower=lower_is_better(key[-1]))) for key, members in sorted(rows.items())
    )
    predictions = {
        name: data
        for group in groups
        for row in group.rows
        if (data := study_predictions(places[(name := row.summary.study.study_id)], row.summary.study)) is not None
    }
    return Collected(groups, places, predictions, verifications, tuple(broken))
