"""The page of a study: its figures, scores, costs, parameters and commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.evaluation.metrics import confusion
from harness.evaluation.study_scores import Predictions
from harness.leaderboard_site.plots import calibration_svg, roc_svg
from harness.leaderboard_site.render import page
from harness.results.study_table import UNKNOWN, accesses_text, hours_text

if TYPE_CHECKING:
    from harness.evaluation.rows import Rows
    from harness.leaderboard_site.content import Board, Content, Entry, Estimate
    from harness.leaderboard_site.pictures import Picture

_MOST_CLASSES = 12


def study_page(
    content: Content,
    board: Board,
    entry: Entry,
    *,
    data: Rows | None,
    classes: Sequence[str],
    pictures: Sequence[Picture] = (),
) -> str:
    """The page of a study.

    Args:
        content, board, entry: what it shows.
        data: test predictions; None where there are none.
        classes: class names.
        pictures: examples of attention.
    """
    from markupsafe import Markup

    drawn = data if isinstance(data, Predictions) else None
    return page(
        "study",
        content,
        root="../",
        board=board,
        entry=entry,
        classes=classes,
        roc=Markup(roc_svg(drawn, classes) if drawn else ""),
        calibration=Markup(calibration_svg(drawn, classes) if drawn else ""),
        confusion=_confusion(drawn, len(classes)) if drawn and len(classes) <= _MOST_CLASSES else None,
        folds=_folds(entry),
        facts=_facts(entry),
        pictures=pictures,
    )


@dataclass(frozen=True)
class Cell:
    """A cell of the confusion matrix: how many, and their share of the true class in percent."""

    count: int
    percent: int


def _confusion(data: Predictions, classes: int) -> list[list[Cell]]:
    counts = confusion(data.label, data.predicted, classes)[0]
    totals = counts.sum(axis=1)
    return [
        [Cell(int(count), round(100 * count / total) if total else 0) for count in row]
        for row, total in zip(counts, totals, strict=True)
    ]


def _folds(entry: Entry) -> dict[str, Any]:
    """A row for each fold of each repeat, a column for each seed."""
    seeds = sorted({unit.seed for unit in entry.units})
    values = {(unit.repeat, unit.fold, unit.seed): unit.value for unit in entry.units}
    places = sorted({(unit.repeat, unit.fold) for unit in entry.units})
    several = len({repeat for repeat, _ in places}) > 1
    rows = [
        (f"{repeat}.{fold}" if several else str(fold), [values.get((repeat, fold, seed)) for seed in seeds])
        for repeat, fold in places
    ]
    return {"seeds": seeds, "rows": rows}


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
