"""The page of a study: its figures, scores, costs, parameters and commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.leaderboard_site.render import page
from harness.results.study_table import UNKNOWN, accesses_text, hours_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.evaluation.rows import Rows
    from harness.leaderboard_site.content import Board, Content, Entry, Estimate
    from harness.leaderboard_site.pictures import Picture
    from harness.tasks.task import Task

_MOST_CLASSES = 12


def study_page(
    content: Content,
    board: Board,
    entry: Entry,
    *,
    task: type[Task],
    data: Rows | None,
    classes: Sequence[str],
    pictures: Sequence[Picture] = (),
) -> str:
    """The page of a study.

    Args:
        content, board, entry: what it shows.
        task: of the study.
        data: test predictions; None where there are none.
        classes: class names.
        pictures: examples of attention.
    """
    from markupsafe import Markup

    drawings = () if data is None else task.drawings(data, classes)
    crossed = None if data is None or len(classes) > _MOST_CLASSES else task.crossed(data, classes)
    return page(
        "study",
        content,
        root="../",
        board=board,
        entry=entry,
        classes=classes,
        figures=[(Markup(one.svg), one.caption) for one in drawings],
        confusion=None if crossed is None else _confusion(crossed),
        folds=_folds(entry),
        facts=_facts(entry),
        pictures=pictures,
    )


@dataclass(frozen=True)
class Cell:
    """A cell of the confusion matrix: how many, and their share of the true class in percent."""

    count: int
    percent: int


def _confusion(counts: NDArray[np.int64]) -> list[list[Cell]]:
    totals = counts.sum(axis=1)
    return [
        [Cell(int(count), round(100 * count / total) if total else 0) for count in row]
        for row, total in zip(counts, totals, strict=True)
    ]


def _folds(entry: Entry) -> dict[str, Any]:
    """A row for each seed of each repeat, a column for each fold."""
    columns = sorted({unit.fold for unit in entry.units})
    values = {(unit.repeat, unit.seed, unit.fold): unit.value for unit in entry.units}
    runs = sorted({(unit.repeat, unit.seed) for unit in entry.units})
    several = len({repeat for repeat, _ in runs}) > 1
    rows = [
        (f"repeat {repeat}, seed {seed}" if several else f"seed {seed}", [values.get((*run, fold)) for fold in columns])
        for run in runs
        for repeat, seed in [run]
    ]
    return {"columns": columns, "rows": rows}


def _facts(entry: Entry) -> list[tuple[str, str]]:
    """What it cost and what it read, in words."""
    cost = entry.cost
    tuned = f"{hours_text(cost.tuning_hours)} hours of device time, {cost.trials} trials"
    found: Mapping[str, str] = {
        f"{cost.resource} of one training": _estimate(cost.per_unit, ""),
        "tuning": tuned if cost.trials else "none",
        "features, shared": ""
        if cost.shared_hours is None
        else f"{hours_text(cost.shared_hours)} {cost.shared_resource}",
        "hardware": cost.hardware,
        "learnt from": entry.supervision,
        "encoder": entry.encoder,
        "resolution": f"{entry.resolution} µm/px" if entry.resolution else "",
        "pre-training": entry.pretraining,
        "input": entry.input_differs,
        "test-set accesses": accesses_text(entry.accesses, entry.units_done),
        "last unit finished": entry.finished,
        "study": entry.study,
    }
    return [(name, value) for name, value in found.items() if value]


def _estimate(found: Estimate | None, unit: str) -> str:
    if found is None:
        return UNKNOWN
    limits = "" if found.low is None or found.high is None else f", 95 % interval {found.low:.3g}–{found.high:.3g}"
    return f"{found.mean:.3g}{unit}{limits}"
