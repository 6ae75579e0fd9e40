"""The table of a group of studies that compare: one row each, with scores, intervals and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.core import console
from harness.core.table import Column, Table
from harness.results import study_table as text
from harness.results.differences import distinctions, mpp_text, settings_text
from harness.results.metric_labels import label

if TYPE_CHECKING:
    from harness.results.differences import Distinction
    from harness.results.leaderboard import Group, Leaderboard, Row

_DISTINCTION = (
    Column("encoder"),
    Column("µm/px", ("mpp",), mpp_text),
    Column("preset"),
    Column("differs in", text=settings_text),
)
"""What tells rows apart; each is shown where it does."""


def group_table(group: Group, board: Leaderboard, letters: Mapping[str, str] | None = None) -> Table:
    """The table of one group.

    Args:
        group: the studies.
        board: where they come from; groups of the same names but other content are told apart.
        letters: id of a study → its tie groups; None shows none.
    """
    from harness.tasks.registry import added_metrics

    title = f"{group.dataset}, protocol {group.protocol}"
    if sum((one.dataset, one.protocol) == (group.dataset, group.protocol) for one in board.groups) > 1:
        title += f" (split {group.split[:8]}, data {group.data[:8]})"
    rows = _rows(group, letters)
    names = [name for name in ("accuracy", "auc", "c_index", *added_metrics()) if any(name in row for row in rows)]
    columns = [
        _RANK,
        *_what(rows),
        Column("study", ("study_id",), lambda name: name.rpartition("-")[2][:6]),
        Column(f"{label(group.metric)} [95 % interval]", _with_limits(group.metric), text.interval_text),
        *[_TIES] * (letters is not None),
        *(Column(label(name), (name,), text.number_text, right=True) for name in names if name != group.metric),
        *cost_columns(),
        *_shared_columns(rows),
        *[_NOT_RANKED] * any(row.get("not_ranked") for row in rows),
    ]
    caption = f"ranked by {label(group.metric)}; {_CAPTION}" + ("" if letters is None else f"; {_TIED}")
    return Table(title, columns, rows, caption)


def suite_table(board: Leaderboard, letters: Mapping[str, str]) -> Table:
    """One table of several groups, with the score that each is ranked by.

    Args:
        board: the groups.
        letters: id of a study → its tie groups.
    """
    rows = []
    for group in board.groups:
        for row in _rows(group, letters):
            score = dict(zip(_SCORE, map(row.get, _with_limits(group.metric)), strict=True))
            rows.append({"dataset": group.dataset, "protocol": group.protocol, **row, **score})
    metrics = {label(group.metric) for group in board.groups}
    heading = metrics.pop() if len(metrics) == 1 else "score"
    columns = [
        Column("dataset"),
        *[Column("protocol")] * (len({group.protocol for group in board.groups}) > 1),
        _RANK,
        *_what(rows),
        *[Column("metric", text=label)] * (heading == "score"),
        Column(f"{heading} [95 % interval]", _SCORE, text.interval_text),
        _TIES,
        *cost_columns(),
        *_shared_columns(rows),
        *[_NOT_RANKED] * any(row.get("not_ranked") for row in rows),
    ]
    count = sum(len(group.rows) for group in board.groups)
    return Table(f"{console.count(count, 'study')}", columns, rows, f"{_CAPTION}; {_TIED}")


_SCORE = ("score", "score_low", "score_high")
_RANK = Column("rank", text=lambda rank: "-" if rank is None else str(rank), right=True)
_NOT_RANKED = Column("not ranked")
_TIES = Column("ties", text=lambda letters: letters or "-")
_CAPTION = (
    "intervals over patients; accesses: how often test labels were used; trials: of tuning on validation, their "
    "hours apart; memory of the GPU, or RSS without one"
)
_TIED = (
    "ties: of one dataset, studies that share a letter do not differ (paired bootstrap over patients, two-sided, "
    "p < 0.05 after Holm's correction for the number of pairs)"
)


def _rows(group: Group, letters: Mapping[str, str] | None) -> list[dict[str, Any]]:
    """The values of a group's studies, and of its units that cannot be read."""
    apart = distinctions([row.summary.study for row in group.rows])
    rows = [_values(row, group, what) for row, what in zip(group.rows, apart, strict=True)]
    if letters is not None:
        rows = [{**row, "ties": letters.get(row["study_id"])} for row in rows]
    damaged = [{"method": "damaged evidence", "not_ranked": f"{one.name}: {one.reason}"} for one in group.damaged]
    return [{"rank": None, **row} for row in [*rows, *damaged]]


def _what(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The columns that say what a row is: its method, and whatever else is not the same in all rows."""
    columns = [column for column in _DISTINCTION if _tells_apart(column, rows)]
    # What does not compare with the rest must not pass for it: a method on another input than its published one, an
    # encoder that has seen the slides, what was learnt from pixel masks or reports.
    columns += [Column("input", ("input_differs",))] * any(row.get("input_differs") for row in rows)
    columns += [Column("pre-training", ("pretraining_overlap",))] * any(row.get("pretraining_overlap") for row in rows)
    usual = text.SLIDE_LABELS
    columns += [Column("labels used")] * any(row.get("labels_used", usual) != usual for row in rows)
    return [Column("method"), *columns]


def _tells_apart(column: Column, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a column says something, and not the same everywhere; presets, for instance, go with datasets."""
    (name,) = column.names
    places = {row.get("dataset") if name in _WITHIN else None for row in rows if name in row}
    values = {
        (row.get("dataset") if name in _WITHIN else None, str(row.get(name) or "")) for row in rows if name in row
    }
    return len(values) > len(places)


_WITHIN = ("preset", "differs_in")
"""What tells only the studies of one dataset apart."""


def cost_columns() -> list[Column]:
    """What stands behind the scores of a study: units, accesses to test labels, trials, hours and memory."""
    return [
        Column("units", ("units_done", "units_planned", "units_damaged"), text.units_text, right=True),
        Column("accesses", ("test_accesses", "units_done"), text.accesses_text, right=True),
        Column("trials", ("tuning_trials",), lambda trials: str(trials or "-"), right=True),
        Column("GPU-hours", ("gpu", "gpu_hours"), text.gpu_hours_text, right=True),
        Column("CPU-hours", text=text.hours_text, right=True),
        Column("peak memory", ("peak_memory_mb",), text.memory_text, right=True),
    ]


def _shared_columns(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """What features cost that several studies use, where one has such: else frozen features would look free."""
    if not any(row.get("shared_wall_s") is not None for row in rows):
        return []
    names = ("shared_gpu_hours", "shared_cpu_hours")
    return [Column("features, shared", names, _shared_text, right=True)]


def _shared_text(gpu_hours: float | None, cpu_hours: float | None) -> str:
    if gpu_hours is not None:
        return f"{text.hours_text(gpu_hours)} GPU-hours"
    return "-" if cpu_hours is None else f"{text.hours_text(cpu_hours)} CPU-hours"


def _values(row: Row, group: Group, what: Distinction) -> dict[str, Any]:
    """All numbers of a study by name, and what it is."""
    study, summary = row.summary.study, row.summary
    return {
        "dataset": group.dataset,
        "protocol": group.protocol,
        "rank": row.rank,
        "not_ranked": row.reason,
        "verification": row.verification.status,
        "method": study.method,
        "study_id": study.study_id,
        "encoder": what.encoder,
        "mpp": list(what.mpp),
        "preset": what.preset,
        "differs_in": dict(what.settings),
        "labels_used": text.labels_text(study),
        "input_differs": text.input_text(study),
        "pretraining_overlap": text.overlap_text(study),
        **dict.fromkeys(_with_limits(group.metric)),
        **study_numbers(row),
        "gpu": summary.cost.gpu,
        "metric": group.metric,
        "split_sha256": group.split,
        "dataset_fingerprint": group.data,
    }


def study_numbers(row: Row) -> Mapping[str, Any]:
    """Scores with their limits, counts and costs; None for what is undefined or unknown."""
    summary, study = row.summary, row.summary.study
    found: dict[str, Any] = {}
    for name, score in (summary.scores.scores if summary.scores else {}).items():
        values = (score.value, score.low, score.high)
        found |= {key: text.known(value) for key, value in zip(_with_limits(name), values, strict=True)}
    return {
        **found,
        "units_done": len(study.records),
        "units_planned": None if study.planned is None else len(study.planned),
        "units_damaged": len(study.damaged),
        "test_accesses": summary.accesses.accesses,
        "tuning_trials": summary.accesses.trials,
        "tuning_device_s": summary.accesses.tuning_device_s,
        **{name: value for name, value in vars(summary.cost).items() if name != "gpu"},
    }


def _with_limits(metric: str) -> tuple[str, str, str]:
    return metric, f"{metric}_low", f"{metric}_high"
