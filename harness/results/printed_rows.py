"""Result tables of papers as CSV: which columns they may have, and what each row says."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.core.errors import DataError, shown
from harness.core.reading import read_bytes
from harness.evaluation.audit_table import BOUNDED, Design, Finding, audit
from harness.evaluation.printed import Printed

ALIASES = {
    "acc": "accuracy",
    "auroc": "auc",
    "roc_auc": "auc",
    "recall": "sensitivity",
    "tpr": "sensitivity",
    "tnr": "specificity",
    "bacc": "balanced_accuracy",
    "bal_acc": "balanced_accuracy",
    "error_rate": "error",
    "ap": "average_precision",
    "auprc": "average_precision",
    "cindex": "c_index",
}
COUNTS = ("n", "n_pos", "folds", "repeats")
LISTS = ("fold_sizes", "fold_pos")
OTHER = ("method", "metric", "value", "std", "stratified", "average", "unit")
_AVERAGES: dict[str, Literal["folds", "pooled"] | None] = {"": None, "folds": "folds", "pooled": "pooled"}
_MOST = 100_000
_CELL = re.compile(r"(.*?)(?:±|\+/-|\+-|\\pm)(.*)|([^()]*)\(([^()]*)\)", re.DOTALL)


@dataclass(frozen=True)
class Audited:
    """A printed result and what its audit came to.

    Attributes:
        line: of the file.
        method, metric: names.
        printed: as it stands in the table.
        finding: the verdict.
    """

    line: int
    method: str
    metric: str
    printed: str
    finding: Finding


def audit_table(path: Path, defaults: Mapping[str, Any] | None = None) -> list[Audited]:
    """Audit every result of a table.

    Args:
        path: a CSV file; its columns stand in ``docs/audit_table.md``.
        defaults: values by name of column, for rows that have none.

    Raises:
        DataError: the file cannot be read, has no score, or a cell is not what its column holds.
    """
    found = []
    for line, row in _rows(path):
        place = f"{path}, line {line}"
        given = {name: str(value) for name, value in (defaults or {}).items() if value is not None}
        given |= {name: text for name, text in row.items() if text}
        design = _design(given, place)
        for metric, text in _scores(given, place):
            value, std = _value(text, given, place, own_std=metric == _metric(given.get("metric", "")))
            label = text if std is None or std.text in text else f"{text} ± {std.text}"
            found.append(Audited(line, given.get("method", ""), metric, label, audit(metric, value, std, design)))
    if not found:
        raise DataError(
            "the table has no score",
            place=str(path),
            fix=f"give it the columns metric and value, or one named by a score: {', '.join(BOUNDED)}",
        )
    return found


def unused_columns(path: Path) -> list[str]:
    """Headings of columns that the audit does not know, and leaves alone.

    Raises:
        DataError: the file cannot be read.
    """
    known = (*COUNTS, *LISTS, *OTHER, *BOUNDED, *ALIASES)
    return [cell for cell in _records(path)[0] if _name(cell) not in known]


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    header, *rows = _records(path)
    names = [_name(cell) for cell in header]
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise DataError(f"the column {twice[0]} stands twice", place=str(path), fix="keep one of them")
    return [(k, dict(zip(names, map(str.strip, row), strict=False))) for k, row in enumerate(rows, start=2) if any(row)]


def _records(path: Path) -> list[list[str]]:
    """Header and rows; the delimiter is the one that parts the header most often."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
        first = text.partition("\n")[0]
        delimiter = max(",;\t|", key=first.count)
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except FileNotFoundError:
        raise DataError("there is no such file", place=str(path), fix="give the path of a CSV file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no CSV file in UTF-8"
        raise DataError(
            f"the table cannot be read: {reason}", place=str(path), fix="give a CSV file in UTF-8"
        ) from error
    if not records:
        raise DataError("the table is empty", place=str(path), fix="give it a line of headings, and one per result")
    return records


def _name(cell: str) -> str:
    """A heading as a name: ``AUC (%)`` and ``fold sizes`` are ``auc`` and ``fold_sizes``."""
    return re.sub(r"[\s-]+", "_", re.sub(r"\(?%\)?", "", cell).strip().lower())


def _metric(name: str) -> str:
    found = _name(name)
    return ALIASES.get(found, found)


def _scores(row: Mapping[str, str], place: str) -> list[tuple[str, str]]:
    """(metric, text of the cell): of the columns metric and value, or of those that are named by a score."""
    if "value" in row:
        if "metric" not in row:
            raise DataError("the row says no metric", place=place, fix="fill in the column metric, or give --metric")
        return [(_metric(row["metric"]), row["value"])]
    return [(_metric(name), text) for name, text in row.items() if _metric(name) in BOUNDED]


def _value(text: str, row: Mapping[str, str], place: str, *, own_std: bool) -> tuple[Printed, Printed | None]:
    """The score and its standard deviation, which may stand in one cell: ``0.913 ± 0.02``, ``91.3 (2.0)``."""
    bare = re.sub(r"\\(?:mathbf|textbf|bf)\b|[*${}]|\\(?=%)", "", text).strip()
    cell = _CELL.fullmatch(bare)
    first, second = (bare, "") if cell is None else (cell[1] or cell[3] or "", cell[2] or cell[4] or "")
    if own_std and not second:
        second = row.get("std", "")
    try:
        percent = row.get("unit", "") in {"%", "percent"} or "%" in bare or abs(Printed.of(first).value) > 1
        std = Printed.of(second, percent=percent) if second.strip() else None
        return Printed.of(first, percent=percent), std
    except ValueError as error:
        raise DataError(
            str(error), place=place, fix="write the number as it is printed, such as .913, 91.3, 91.3% or 0.913 ± 0.02"
        ) from None


def _design(row: Mapping[str, str], place: str) -> Design:
    counts = {name: _count(row[name], name, place) for name in COUNTS if name in row}
    lists = {
        name: tuple(_count(one, name, place) for one in re.split(r"[\s,;/]+", row[name]))
        for name in LISTS
        if name in row
    }
    average = row.get("average", "")
    if average not in _AVERAGES:
        raise DataError(f"average is {shown(average)}", place=place, fix="write folds or pooled, or leave it empty")
    sizes = lists.get("fold_sizes")
    if sizes is not None:
        counts = {"n": sum(sizes), "folds": len(sizes), **counts}
    if "fold_pos" in lists:
        counts = {"n_pos": sum(lists["fold_pos"]), "folds": len(lists["fold_pos"]), **counts}
    design = Design(
        n=counts.get("n"),
        n_pos=counts.get("n_pos"),
        folds=counts.get("folds", 1),
        repeats=counts.get("repeats", 1),
        fold_sizes=sizes,
        fold_pos=lists.get("fold_pos"),
        stratified=_yes(row.get("stratified", ""), place),
        average=_AVERAGES[average],
    )
    _check(design, place)
    return design


def _check(design: Design, place: str) -> None:
    n, n_pos = design.n, design.n_pos
    problem = ""
    if design.folds < 1 or design.repeats < 1 or n == 0:
        problem = "n, folds and repeats begin at 1"
    elif n is not None and n < max(n_pos or 0, design.folds):
        problem = f"{n} slides are fewer than their folds or positive ones"
    for name, values, total in (("fold_sizes", design.fold_sizes, n), ("fold_pos", design.fold_pos, n_pos)):
        if values is not None and (len(values) != design.folds or sum(values) != total):
            problem = f"{name} are {len(values)} numbers with sum {sum(values)}, not {design.folds} with sum {total}"
    if (
        design.fold_sizes is not None
        and design.fold_pos is not None
        and not problem
        and any(p > size for p, size in zip(design.fold_pos, design.fold_sizes, strict=True))
    ):
        problem = "a fold has more positive slides than slides"
    if problem:
        raise DataError(problem, place=place, fix="correct these columns")


def _count(text: str, name: str, place: str) -> int:
    bare = text.strip().replace(",", "") if name in COUNTS else text.strip()
    if not (bare.isascii() and bare.isdecimal()) or len(bare) > 6 or int(bare) > _MOST:
        raise DataError(
            f"{name} is {shown(text)}, not a number up to {_MOST:,}", place=place, fix=f"correct the column {name}"
        )
    return int(bare)


def _yes(text: str, place: str) -> bool:
    if text.lower() not in {"", "yes", "no", "true", "false", "1", "0"}:
        raise DataError(f"stratified is {shown(text)}", place=place, fix="write yes or no")
    return text.lower() in {"yes", "true", "1"}
