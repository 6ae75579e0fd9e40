"""The leaderboard of a runs folder: studies that compare, ranked; the others below them with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.core.errors import DataError
from harness.results.names import safe_name
from harness.results.store import RunStore
from harness.results.studies import Broken, Study
from harness.results.summary import Summary, summarise
from harness.results.verified import Verifier
from harness.tasks.registry import DEFAULT, find_task, lower_is_better
from harness.verification.finding import Verification

NOT_ASKED = Verification("", unchecked=("not asked for",))
"""Of a row that was not made from the evidence."""


@dataclass(frozen=True)
class Row:
    """A study on the leaderboard.

    Attributes:
        rank: 1 is best, equal values share a rank; None where it is not ranked.
        reason: why it is not ranked; empty where it is.
        value: the metric that is ranked by; None where undefined.
        summary: all numbers of the study.
        verification: what the checks of its evidence came to; a study that is unverified has no rank.
    """

    rank: int | None
    reason: str
    value: float | None
    summary: Summary
    verification: Verification = NOT_ASKED


@dataclass(frozen=True)
class Group:
    """Studies that compare: same dataset with the same content, same protocol with the same split.

    Attributes:
        dataset, protocol: names.
        split, data: SHA-256 of the split file and of the dataset's content.
        metric: name of the score that they are ranked by.
        rows: ranked ones by rank, then the others.
        damaged: units of these studies whose evidence cannot be read.
    """

    dataset: str
    protocol: str
    split: str
    data: str
    metric: str
    rows: tuple[Row, ...]
    damaged: tuple[Broken, ...] = ()


@dataclass(frozen=True)
class Leaderboard:
    """Groups by dataset and protocol, and all evidence that cannot be read, of these groups or of none."""

    groups: tuple[Group, ...]
    broken: tuple[Broken, ...]

    @property
    def apart(self) -> tuple[Broken, ...]:
        """What cannot be read and belongs to no group."""
        named = {one.name for group in self.groups for one in group.damaged}
        return tuple(one for one in self.broken if one.name not in named)


def leaderboard(
    store: RunStore,
    *,
    metric: str | None = None,
    datasets: Iterable[str] | None = None,
    studies: Iterable[str] | None = None,
    read: tuple[Sequence[Study], Sequence[Broken]] | None = None,
) -> Leaderboard:
    """Rank the studies of a runs folder.

    Only a study whose evidence is what its run left behind, whose protocol may be ranked and whose units are all done
    has a rank.

    Args:
        store: the evidence.
        metric: name of the score to rank by; None takes the first one of the task.
        datasets: show these only; None shows all.
        studies: ids of the studies to show; None shows all.
        read: what ``store.studies_and_broken()`` gave; None asks it.
    """
    found, broken = store.studies_and_broken() if read is None else read
    wanted, named = (None if names is None else set(names) for names in (datasets, studies))
    members: dict[tuple[str, str, str, str, str], list[Row]] = {}
    unreadable = []
    verifier = Verifier(store, studies=found)
    for study in found:
        if not study.records or (wanted is not None and study.dataset not in wanted):
            continue
        if named is not None and study.study_id not in named:
            continue
        try:
            summary = summarise(store, study)
        except DataError as error:
            unreadable.append(Broken(study.study_id, f"{error.problem} ({error.place})"))
            continue
        by = metric or _main_metric(summary)
        members.setdefault((*_key(study), by), []).append(_row(summary, by, verifier.study(study, summary.scores)))
    groups = tuple(
        Group(*key, ranked(rows, lower=lower_is_better(key[-1])), _damaged(rows, broken))
        for key, rows in sorted(members.items())
    )
    return Leaderboard(groups, (*broken, *unreadable))


def ranked(rows: Sequence[Row], *, lower: bool = False) -> tuple[Row, ...]:
    """Rows in order, with ranks for those that have no reason against it.

    Args:
        rows: studies of one group.
        lower: whether a smaller value is better.
    """
    sign = 1 if lower else -1

    def order(row: Row) -> tuple[bool, float, str]:
        return bool(row.reason), sign * row.value if row.value is not None else float("inf"), row.summary.study.study_id

    found: list[Row] = []
    for place, row in enumerate(sorted(rows, key=order), start=1):
        if row.reason:
            found.append(row)
            continue
        above = found[-1] if found else None
        rank = above.rank if above is not None and above.value == row.value else place
        found.append(replace(row, rank=rank))
    return tuple(found)


def unranked_reason(study: Study) -> str:
    """Why a study has no rank; empty where it has one."""
    if not study.ranked:
        if (study.config or {}).get("protocol_settings", {}).get("allow_leaks"):
            return "splits leak"
        return "protocol is not ranked" if study.planned is not None else "study.json is lost"
    if study.failures:
        return f"{len(study.failures)} failed"
    if study.damaged:
        return f"{len(study.damaged)} damaged"
    return "" if study.complete else "incomplete"


def _damaged(rows: Sequence[Row], broken: Sequence[Broken]) -> tuple[Broken, ...]:
    names = {safe_name(unit) for row in rows for unit in row.summary.study.damaged}
    return tuple(one for one in broken if one.name in names)


def _main_metric(summary: Summary) -> str:
    """The first of the study's scores."""
    return next(iter(summary.scores.scores)) if summary.scores else find_task(DEFAULT).metrics[0]


def _row(summary: Summary, metric: str, verification: Verification) -> Row:
    value = summary.metrics().get(metric)
    altered = any(finding.code != "unreadable" for finding in verification.findings)  # that is damage
    reason = f"unverified: {verification.reason}" if altered else unranked_reason(summary.study)
    if not reason and value is None:
        reason = f"{metric} is {summary.undefined(metric) or 'undefined'}"
    return Row(None, reason, value, summary, verification)


def _key(study: Study) -> tuple[str, str, str, str]:
    spec = study.records[0].spec
    return study.dataset, study.protocol, str(spec.get("split_sha256", "")), str(spec.get("dataset_fingerprint", ""))
