"""The table of a group of studies that compare: one row each, with scores, intervals and costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.core.table import Column, Table
from harness.results import study_table as text
from harness.results.differences import distinctions, mpp_text, settings_text

if TYPE_CHECKING:
    from harness.results.differences import Distinction
    from harness.results.leaderboard import Group, Leaderboard, Row

_LABELS = {
    "auc": "AUC",
    "accuracy": "ACC",
    "balanced_accuracy": "balanced ACC",
    "f1": "F1",
    "log_loss": "log-loss",
    "c_index": "C-index",
}


_DISTINCTION = (
    Column("encoder"),
    Column("µm/px", ("mpp",), mpp_text),
    Column("preset"),
    Column("differs in", text=settings_text),
)
"""What tells rows apart; each is shown where it does."""


def label(metric: str) -> str:
    """The name of a score as a heading."""
    return _LABELS.get(metric, metric)


def group_table(group: Group, board: Leaderboard) -> Table:
    """The table of one group.

    Args:
        group: the studies.
        board: where they come from; groups of the same names but other content are told apart.
    """
    from harness.tasks.registry import added_metrics

    title = f"{group.dataset}, protocol {group.protocol}"
    if sum((one.dataset, one.protocol) == (group.dataset, group.protocol) for one in board.groups) > 1:
        title += f" (split {group.split[:8]}, data {group.data[:8]})"
    apart = distinctions([row.summary.study for row in group.rows])
    rows = [_values(row, group, what) for row, what in zip(group.rows, apart, strict=True)]
    rows += [{"method": "damaged evidence", "not_ranked": f"{one.name}: {one.reason}"} for one in group.damaged]
    marks = [column for column in _DISTINCTION if any(row.get(column.names[0]) for row in rows)]
    marks = [one for one in marks if one.title == "differs in" or len({str(row.get(one.names[0])) for row in rows}) > 1]
    # What does not compare with the rest must not pass for it: a method on another input than its published one, an
    # encoder that has seen the slides, what was learnt from pixel masks or reports.
    marks += [Column("input", ("input_differs",))] * any(row.get("input_differs") for row in rows)
    marks += [Column("pre-training", ("pretraining_overlap",))] * any(row.get("pretraining_overlap") for row in rows)
    marks += [Column("labels used")] * any(
        row.get("labels_used", text.SLIDE_LABELS) != text.SLIDE_LABELS for row in rows
    )
    names = [name for name in ("accuracy", "auc", "c_index", *added_metrics()) if any(name in row for row in rows)]
    others = [Column(label(name), (name,), text.number_text, right=True) for name in names if name != group.metric]
    columns = [
        Column("rank", text=lambda rank: "-" if rank is None else str(rank), right=True),
        Column("method"),
        *marks,
        Column("study", ("study_id",), lambda name: name.rpartition("-")[2][:6]),
        Column(f"{label(group.metric)} [95 % interval]", _with_limits(group.metric), text.interval_text),
        *others,
        *cost_columns(),
        *[Column("not ranked")] * any(row.get("not_ranked") for row in rows),
    ]
    caption = (
        f"ranked by {label(group.metric)}; intervals over patients; accesses: how often test labels were used; "
        "trials: of tuning on validation, their hours apart; memory of the GPU, or RSS without one"
    )
    return Table(title, columns, [{"rank": None, **row} for row in rows], caption)


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


def _values(row: Row, group: Group, what: Distinction) -> dict[str, Any]:
    """All numbers of a study by name, and what it is."""
    study, summary = row.summary.study, row.summary
    return {
        "dataset": group.dataset,
        "protocol": group.protocol,
        "rank": row.rank,
        "not_ranked": row.reason,
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
