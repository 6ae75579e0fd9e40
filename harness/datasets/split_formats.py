"""Split files of other code: where they are, and which ids stand in which part of which fold.

- CLAM: ``splits_K.csv`` with the columns ``train``, ``val``, ``test`` of slide ids, or ``splits_K_bool.csv``
- TransMIL: ``foldK.csv`` with such columns and labels beside them; MIL_BASELINE: ``train_slide_path`` and so on
- ACMIL: ``split_K.json`` with ``train_names``, ``val_names``, ``test_names``
- nnMIL: ``dataset_plan.json`` with ``data_splits``
- PANTHER: ``train.csv``, ``val.csv``, ``test.csv``
- torchmil: ``splits.csv`` with ``bag_name`` and ``split``
- one table with a column ``split`` (or ``fold``, ``set``, ``part``) of words, or ``fold`` of numbers (-1: training)
- Patho-Bench: one table with columns ``fold_0``, ``fold_1``, ... of words
- this harness: ``repeat``, ``fold``, ``slide``, ``part``
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import DataError
from harness.core.reading import read_json
from harness.datasets.label_columns import SLIDE_COLUMNS
from harness.datasets.splits import COLUMNS, PARTS
from harness.datasets.table import Table, listed, read_table

_WORDS = {
    "train": ("train", "training", "tr"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "te"),
}
_PART_OF = {word: part for part, words in _WORDS.items() for word in words}
_LISTS = _PART_OF | {f"{part}_slide_path": part for part in PARTS}
SPLIT_COLUMNS = ("split", "fold", "set", "part", "split_info", "subset")
_NUMBERED = ("fold", "folds", "cv", "fold_id", "cv_fold", "kfold", "test_fold")
_PART_NAMES = {*SPLIT_COLUMNS, *_NUMBERED}
_NUMBER = re.compile(r"(-1|\d{1,3})(\.0)?")
_IDS = (*SLIDE_COLUMNS, "embeddings", "case_id", "case", "patient", "patient_id")

Parts = dict[str, list[str]]
"""Part → ids as they are written."""


@dataclass(frozen=True)
class Found:
    """What stands in a folder or a file.

    Attributes:
        kind: how it is kept, in words.
        folds: the parts of each fold.
        numbers: (repeat, fold) of each; empty where nobody says.
    """

    kind: str
    folds: Sequence[Parts]
    numbers: Sequence[tuple[int, int]] = ()


def read_parts(place: Path) -> Found:
    """What stands in a folder or a file.

    Raises:
        DataError: nothing there is a split.
    """
    if place.is_dir():
        for kind, read in _FOLDERS:
            if folds := read(place):
                return Found(kind, folds)
        tables = _tables(place)
        if len(tables) == 1 or (tables := [path for path in tables if path.name.lower() == "splits.csv"]):
            return read_parts(tables[0])
        raise _no_splits(
            place, f"the folder holds {listed([one.name for one in sorted(place.iterdir())]) or 'nothing'}"
        )
    if not place.is_file():
        raise DataError("there is no such folder or file", place=f"--splits {place}", fix="give the splits' folder")
    if place.suffix.lower() == ".json":
        return Found("nnMIL", _plan(place))
    table = _table(place)
    if set(COLUMNS) <= set(table.columns):
        own = _own(table)
        return Found("this harness", list(own.values()), list(own))
    if parts := _lists(table):
        return Found("columns train, val, test", [parts])
    return Found(*_by_column(table))


def split_columns(columns: Sequence[str]) -> list[str]:
    """Columns of a table that may hold splits, by their names."""
    return [name for name in columns if name.lower() in _PART_NAMES or re.fullmatch(r"fold_\d+", name.lower())]


def _no_splits(place: Path, found: str) -> DataError:
    return DataError(
        f"no splits were recognised: {found}",
        place=str(place),
        fix="give CLAM's splits_K.csv, or a table with a slide id and a column split (train, val, test) or fold",
    )


def _table(path: Path) -> Table:
    """A table of which not even the columns are known beforehand: the one without a name counts too."""
    return read_table(path, (), index="index", legacy=True)


def _numbered(folder: Path, pattern: str) -> list[tuple[int, Path]]:
    found = [(match, path) for path in folder.iterdir() if (match := re.fullmatch(pattern, path.name, re.IGNORECASE))]
    return sorted((int(match[1]), path) for match, path in found)


def _clam(folder: Path) -> list[Parts]:
    lists = [_lists(_table(path)) for _, path in _numbered(folder, r"splits_(\d+)\.csv")]
    return [parts for parts in lists if parts] or [
        _flags(_table(path)) for _, path in _numbered(folder, r"splits_(\d+)_bool\.csv")
    ]


def _fold_files(folder: Path) -> list[Parts]:
    return [_lists(_table(path)) for _, path in _numbered(folder, r"fold_?(\d+)\.csv")]


def _json_files(folder: Path) -> list[Parts]:
    folds = []
    for _, path in _numbered(folder, r"splits?_?(\d+)\.json"):
        try:
            content = read_json(path)
            folds.append({part: [str(one) for one in content.get(f"{part}_names", ())] for part in PARTS})
        except (OSError, ValueError, AttributeError, TypeError) as reason:
            raise DataError(f"the split cannot be read: {reason}", place=str(path), fix="correct the file") from reason
    return folds


def _plans(folder: Path) -> list[Parts]:
    path = folder / "dataset_plan.json"
    return _plan(path) if path.is_file() else []


def _plan(path: Path) -> list[Parts]:
    """The splits of an nnMIL plan: those that its own setting chooses."""
    try:
        content: dict[str, Any] = read_json(path)
        splits: dict[str, Any] = content["data_splits"]
        numbers = sorted(int(match[1]) for name in splits if (match := re.fullmatch(r"fold_(\d+)", name)))
        official = "official_split" in splits and (not numbers or content.get("evaluation_setting") == "official_split")
        chosen = ["official_split"] if official else [f"fold_{number}" for number in numbers]
        return [{part: _plan_ids(splits[name].get(part, {})) for part in PARTS} for name in chosen]
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as reason:
        raise DataError(
            f"the splits cannot be read: {type(reason).__name__} {reason}",
            place=str(path),
            fix="give nnMIL's dataset_plan.json, which has data_splits",
        ) from reason


def _plan_ids(part: Mapping[str, Any]) -> list[str]:
    slides = [str(one["slide_id"]) for one in part.get("slide_info", ())]
    return slides or [str(one) for one in part.get("patient_ids", ())]


def _list_files(folder: Path) -> list[Parts]:
    """A table per fold, whatever they are called, in the order of the numbers in their names."""
    found = []
    for path in sorted(tables := _tables(folder), key=lambda one: [int(n) for n in re.findall(r"\d+", one.name)]):
        table = _table(path)
        if parts := _lists(table):
            found.append(parts)
        elif words := [
            name for name in table.columns if name.lower() in SPLIT_COLUMNS and _are_words(table.cells(name))
        ]:
            found.append(_by_word(table.cells(_id_column(table)), table.cells(words[0])))
    return found if len(found) == len(tables) > 1 else []


def _tables(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in {".csv", ".tsv", ".xlsx"})


def _own(table: Table) -> dict[tuple[int, int], Parts]:
    """Folds by repeat and fold."""
    found: dict[tuple[int, int], Parts] = {}
    for row in table:
        if not (row["repeat"].isdigit() and row["fold"].isdigit() and row["part"] in PARTS):
            raise DataError(
                "the line is no line of a split", place=f"{table.path}, line {row.line}", fix="correct the line"
            )
        found.setdefault((int(row["repeat"]), int(row["fold"])), {}).setdefault(row["part"], []).append(row["slide"])
    return {number: found[number] for number in sorted(found)}


def _part_files(folder: Path) -> list[Parts]:
    paths = {part: folder / f"{part}.csv" for part in PARTS}
    if not (paths["train"].is_file() and paths["test"].is_file()):
        return []
    tables = {part: _table(path) for part, path in paths.items() if path.is_file()}
    return [{part: table.cells(_id_column(table)) for part, table in tables.items()}]


_FOLDERS: tuple[tuple[str, Callable[[Path], list[Parts]]], ...] = (
    ("CLAM", _clam),
    ("a file per fold", _fold_files),
    ("JSON files", _json_files),
    ("train.csv, val.csv, test.csv", _part_files),
    ("nnMIL", _plans),
    ("a table per fold", _list_files),
)


def _lists(table: Table) -> Parts:
    """Columns of slide ids, of unequal length."""
    named = {_LISTS[name.lower()]: name for name in table.columns if name.lower() in _LISTS}
    if not {"train", "test"} <= set(named):
        return {}
    return {part: [cell for cell in table.cells(name) if not _blank(cell)] for part, name in named.items()}


def _flags(table: Table) -> Parts:
    """Slide ids in the first column, and True or False in the others."""
    ids = table.cells(table.columns[0])
    parts: Parts = {}
    for part in PARTS:
        marks = table.cells(part) if part in table.columns else []
        parts[part] = [one for one, mark in zip(ids, marks, strict=False) if mark.lower() in {"true", "1", "1.0"}]
    return parts


def _by_column(table: Table) -> tuple[str, list[Parts]]:
    """A slide id per line, and its part or the number of its fold in other columns."""
    ids = table.cells(_id_column(table))
    several = sorted(
        (int(match[1]), name) for name in table.columns if (match := re.fullmatch(r"fold_(\d+)", name.lower()))
    )
    words = [(name, cells) for _, name in several if _are_words(cells := table.cells(name))]
    if words:
        return "columns fold_K", [_by_word(ids, cells) for _, cells in words]
    for name in table.columns:
        if name.lower() in SPLIT_COLUMNS and _are_words(cells := table.cells(name)):
            return f"column {name}", [_by_word(ids, cells)]
    for name in table.columns:
        cells = table.cells(name)
        if name.lower() in _NUMBERED and all(_NUMBER.fullmatch(cell) for cell in cells):
            return f"column {name} of numbers; the next fold validates", _by_number(ids, [int(float(c)) for c in cells])
    raise _no_splits(table.path, f"the columns are {listed(table.columns, most=12)}")


def _id_column(table: Table) -> str:
    by_lower = {name.lower(): name for name in reversed(table.columns)}
    if (found := next((by_lower[name] for name in _IDS if name in by_lower), None)) is None:
        raise _no_splits(table.path, f"no column holds slide ids; the columns are {listed(table.columns, most=12)}")
    return found


def _are_words(cells: Sequence[str]) -> bool:
    given = [cell.lower() for cell in cells if not _blank(cell)]
    return bool(given) and all(cell in _PART_OF for cell in given)


def _by_word(ids: Sequence[str], cells: Sequence[str]) -> Parts:
    parts: Parts = {part: [] for part in PARTS}
    for slide, cell in zip(ids, cells, strict=True):
        if not _blank(cell):
            parts[_PART_OF[cell.lower()]].append(slide)
    return parts


def _by_number(ids: Sequence[str], numbers: Sequence[int]) -> list[Parts]:
    """Each fold is tested once; slides with -1 are trained on in all of them, as scikit-learn has it."""
    folds: Mapping[int, list[str]] = {
        number: [slide for slide, own in zip(ids, numbers, strict=True) if own == number] for number in set(numbers)
    }
    order = sorted(number for number in folds if number >= 0)
    found: list[Parts] = []
    for k, test in enumerate(order):
        # Of two folds, neither can be spared for validation.
        val = order[(k + 1) % len(order)] if len(order) > 2 else None
        train = [slide for number in sorted(folds) if number not in {test, val} for slide in folds[number]]
        found.append({"train": train, "val": folds[val] if val is not None else [], "test": folds[test]})
    return found


def _blank(cell: str) -> bool:
    return cell.lower() in {"", "nan", "none", "na"}
