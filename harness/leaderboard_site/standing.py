"""How the ranked studies of a group stand to each other: shared ranks, rank intervals, tie groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.evaluation.ranks import RankInterval, bootstrap_ranks, shared_ranks
from harness.evaluation.ties import LEVEL, ties
from harness.tasks.registry import lower_is_better

if TYPE_CHECKING:
    from harness.evaluation.rows import Rows
    from harness.results.leaderboard import Group, Row


@dataclass(frozen=True)
class Standing:
    """Of one study.

    Attributes:
        rank: one more than the number of studies that are better and differ from it.
        interval: of the rank by the score alone; None where there is none.
        ties: its letters; empty where nothing was compared.
    """

    rank: int
    interval: RankInterval | None
    ties: str


def standings(group: Group, predictions: Mapping[str, Rows]) -> dict[str, Standing]:
    """Id of a study → how it stands. Only studies of the same units can be compared; of several sets the largest is.

    Args:
        group: the studies.
        predictions: of each study, by its id.
    """
    ranked = [row for row in group.rows if row.rank is not None]
    if not ranked:
        return {}
    units, _ = Counter(map(_units, ranked)).most_common(1)[0]
    names = [row.summary.study.study_id for row in ranked if _units(row) == units]
    data = [predictions[name] for name in names if name in predictions]
    alone = {row.summary.study.study_id: Standing(row.rank or 0, None, "") for row in ranked}
    if len(data) < 2 or len(data) < len(names):
        return alone
    try:
        found = ties(data, group.metric)
        intervals = bootstrap_ranks(data, group.metric, lower=lower_is_better(group.metric))
    except ValueError:  # the same names of units, but other slides in them: nothing is paired
        return alone
    ranks = shared_ranks(len(names), {pair for pair, p in found.p_values.items() if p < LEVEL})
    paired = zip(names, ranks, intervals, found.letters, strict=True)
    return alone | {name: Standing(rank, interval, letters) for name, rank, interval, letters in paired}


def _units(row: Row) -> frozenset[tuple[int, int, int]]:
    records = row.summary.study.records
    return frozenset((one.spec["repeat"], one.spec["fold"], one.spec["seed"]) for one in records)
