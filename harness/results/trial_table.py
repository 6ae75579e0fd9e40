"""``trials.csv`` of a study: the trials of every fold, checked row by row when it is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.core.errors import DataError, shown
from harness.results.rows import read_rows

_STATES = ("open", "complete", "pruned", "failed")
_TEXTS = {"fold", "trial", "state", "chosen", "reason"}
_PARAM = "param."
_LONGEST = 200
Row = Mapping[str, str]


def read_trials(path: Path) -> list[dict[str, str]]:
    """The rows as text; empty where the study was not tuned.

    Raises:
        DataError: no table, or a row that is not one of a trial: the first one is named, with its column and value.
    """
    rows = read_rows(path)
    for number, problem in enumerate(_problems(rows), start=2):
        if problem:
            raise DataError(
                f"damaged: line {number}: {problem}",
                place=str(path),
                fix="remove it; the same bench run command makes it again",
            )
    return rows


def whole_folds(path: Path) -> list[dict[str, str]]:
    """The rows of the folds in which no row is damaged; empty where nothing can be read."""
    try:
        rows = read_rows(path)
    except DataError:
        return []
    damaged = {row.get("fold") for row, problem in zip(rows, _problems(rows), strict=True) if problem}
    return [row for row in rows if row.get("fold") not in damaged]


def _problems(rows: Sequence[Row]) -> list[str]:
    """What is wrong with each row; empty texts for those that are whole."""
    columns = set().union(*rows)
    seen: set[tuple[str, int]] = set()
    found = []
    for row in rows:
        problem = _problem(row, columns)
        if not problem and (key := (row["fold"], int(row["trial"]))) in seen:
            problem = f"trial {key[1]} of fold {shown(key[0])} stands twice"
        elif not problem:
            seen.add(key)
        found.append(problem)
    return found


def _problem(row: Row, columns: set[str]) -> str:
    if odd := [name for name in columns if not name.isprintable() or not 0 < len(name) <= _LONGEST]:
        return f"{shown(min(odd))} is no name of a column"
    needed = {*_TEXTS, "device_s"}
    if missing := sorted((columns | needed) - set(row)):
        return f"{shown(missing[0])} is missing"
    if not row["fold"]:
        return "fold is empty"
    if not _is_count(row["trial"]):
        return f"trial is {shown(row['trial'])}, not a number from 0"
    if row["state"] not in _STATES:
        return f"state is {shown(row['state'])}, not one of {', '.join(_STATES)}"
    if row["chosen"] not in {"True", "False"}:
        return f"chosen is {shown(row['chosen'])}, not True or False"
    for name, text in row.items():
        if name not in _TEXTS and not name.startswith(_PARAM) and text and not _is_finite(text):
            return f"{name} is {shown(text)}, not a finite number"
    return ""


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
