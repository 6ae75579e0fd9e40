"""The checks of one unit that need nothing but its own files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.verification.finding import Finding
from harness.verification.identity import study_id_of, unit_id_of

if TYPE_CHECKING:
    import pandas as pd

    from harness.evaluation.rows import Rows
    from harness.results.record import Record
    from harness.tasks.task import Task

TOLERANCE = 1e-9
"""Largest difference of a score, absolute and relative, that comes of the order of sums on another processor."""
_SUM = 1e-5
_SECOND = 1.0
_NO_GPU = "no GPU"


def check_record(record: Record) -> Iterator[Finding]:
    """Names, times and costs."""
    place = f"{record.unit_id}, record.json"
    for code, name, of in (("unit-id", "unit_id", unit_id_of), ("study-id", "study_id", study_id_of)):
        shown = getattr(record, name)
        try:
            true = of(record.spec)
        except (KeyError, ValueError, TypeError) as error:
            yield Finding.of(code, place, f"the specification has no hash: {error}", shown)
            continue
        if shown != true:
            yield Finding.of(code, place, f"{name} is not the hash of the specification", shown, true)
    yield from _check_times(record, place)


def _check_times(record: Record, place: str) -> Iterator[Finding]:
    started, finished = (datetime.fromisoformat(text) for text in (record.started, record.finished))
    if (started.tzinfo is None) == (finished.tzinfo is None) and finished < started:
        yield Finding.of("cost", place, "the unit ends before it begins", record.finished, f"after {record.started}")
    compute = record.compute
    if compute.get("gpu") == _NO_GPU and (compute.get("gpu_hours") or 0) > 0:
        yield Finding.of("cost", place, "GPU-hours without a GPU", compute["gpu_hours"], 0)
    wall = compute.get("wall_s")
    for name, stage in compute.get("stages", {}).items():
        if wall is not None and (stage.get("wall_s") or 0) > wall + _SECOND:
            problem = f"stage {name} took longer than the whole unit"
            yield Finding.of("cost", place, problem, stage["wall_s"], f"at most {wall}")


def check_table(record: Record, frame: pd.DataFrame, task: type[Task]) -> Iterator[Finding]:
    """Whether the table is of this unit, with probabilities, and decisions that follow from them.

    Args:
        record: the unit's.
        frame: its test predictions.
        task: what was predicted.
    """
    place = f"{record.unit_id}, predictions.parquet"
    for name in ("repeat", "fold", "seed"):
        if len(wrong := frame.loc[frame[name] != record.spec[name], name]):
            problem = f"column {name} is not that of the unit"
            yield Finding.of("rows", place, problem, int(wrong.iloc[0]), record.spec[name])
    names = [f"p_{name}" for name in record.classes]
    if others := [str(name) for name in frame if str(name).startswith("p_") and name not in names]:
        yield Finding.of("probabilities", place, f"{others[0]} is of no class of the record", others[0])
    p = frame[names].to_numpy(np.float64)
    if not np.isfinite(p).all():
        yield Finding.of("probabilities", place, "a probability is not finite", _slide(frame, ~np.isfinite(p).all(1)))
        return
    if p.shape[1] > 1 and (off := np.abs(p.sum(axis=1) - 1) > _SUM).any():
        problem = f"the probabilities of slide {_slide(frame, off)} do not sum to one"
        yield Finding.of("probabilities", place, problem, float(p[off][0].sum()), 1)
    yield from _check_decision(record, frame, p, task, place)


def _check_decision(
    record: Record, frame: pd.DataFrame, p: np.ndarray[Any, Any], task: type[Task], place: str
) -> Iterator[Finding]:
    threshold = record.selection.get("threshold")
    settings = record.spec.get("protocol_settings", {})
    if threshold is not None and settings.get("threshold") == "argmax":
        yield Finding.of("decision", place, "the protocol decides without a threshold", threshold, None)
    try:
        decided = task(tuple(record.classes)).decide(p, threshold)
    except (ValueError, TypeError) as error:
        yield Finding.of("decision", place, f"the threshold decides nothing: {error}", threshold)
        return
    for name, true in decided.items():
        kind = task.decision[name]
        shown = frame[name].to_numpy(np.float64) if name in frame else np.full(len(frame), np.nan)
        wanted = np.asarray(true, np.float64)
        slack = 0.0 if kind in {"class", "count"} else TOLERANCE * (1 + np.abs(np.nan_to_num(wanted)))
        off = ~((np.abs(shown - wanted) <= slack) | (np.isnan(shown) & np.isnan(wanted)))
        if off.any():
            problem = f"{name} of slide {_slide(frame, off)} does not follow from its probabilities"
            yield Finding.of("decision", place, problem, _number(shown[off][0]), _number(wanted[off][0]))


def check_scores(
    shown: Mapping[str, Mapping[str, Any]],
    true: Mapping[str, Mapping[str, float]],
    place: str,
    fields: Sequence[str] = ("value",),
) -> Iterator[Finding]:
    """Compare the scores that stand somewhere with those of the predictions.

    Args:
        shown: score → field → number, None where it is undefined.
        true: the same of the predictions, NaN where undefined; scores that are not known here are left out.
        place: where they stand.
        fields: what is compared.
    """
    for name, score in shown.items():
        for field in fields if name in true else ():
            a, b = score.get(field), true[name][field]
            if not same(math.nan if a is None else a, b):
                problem = f"{name}{'' if field == 'value' else f' ({field})'} is not that of the predictions"
                yield Finding.of("score", f"{place}, scores", problem, a, _number(b))


def same(shown: float, true: float) -> bool:
    """Whether two scores are equal but for the order of sums; what is undefined equals what is undefined."""
    if not (math.isfinite(shown) and math.isfinite(true)):
        return math.isfinite(shown) == math.isfinite(true)
    return abs(shown - true) <= TOLERANCE * (1 + abs(true))


def point_scores(rows: Rows) -> dict[str, dict[str, float]]:
    """The scores of one unit's predictions, without intervals."""
    found = rows.scores([np.arange(len(rows))], np.ones((1, len(rows))))
    return {name: {"value": float(found[name][0])} for name in rows.names}


def _slide(frame: pd.DataFrame, which: np.ndarray[Any, Any]) -> str:
    return str(frame["slide"].to_numpy()[which][0])


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
