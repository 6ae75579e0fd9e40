"""Splits as other code keeps them, made into folds of this harness.

- CLAM: ``splits_K.csv`` with the columns ``train``, ``val``, ``test`` of slide ids, or ``splits_K_bool.csv``
- TransMIL: ``foldK.csv`` with such columns and labels beside them
- ACMIL: ``split_K.json`` with ``train_names``, ``val_names``, ``test_names``
- PANTHER: ``train.csv``, ``val.csv``, ``test.csv``
- one table with a column ``split`` (or ``fold``, ``set``, ``part``) of words, or ``fold`` of numbers
- Patho-Bench: one table with columns ``fold_0``, ``fold_1``, ... of words
- this harness: ``repeat``, ``fold``, ``slide``, ``part``
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.errors import DataError
from harness.core.reading import read_json
from harness.datasets.label_columns import SLIDE_COLUMNS
from harness.datasets.make_splits import holdout
from harness.datasets.new_labels import LabelledSlide, plain_id
from harness.datasets.splits import PARTS, Fold, read_splits
from harness.datasets.table import Table, listed, read_table

VAL_FRACTION = 0.2
_WORDS = {
    "train": ("train", "training", "tr"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "te"),
}
_PART_OF = {word: part for part, words in _WORDS.items() for word in words}
_SPLIT_COLUMNS = ("split", "fold", "set", "part", "split_info", "subset")
_IDS = (*SLIDE_COLUMNS, "embeddings", "case_id", "case", "patient", "patient_id")

Parts = dict[str, list[str]]
"""Part → ids as they are written."""


@dataclass(frozen=True)
class GivenSplits:
    """Folds that were read.

    Attributes:
        kind: how they were kept, in words.
        folds: they, in ids of the dataset.
        notes: what was changed on the way, one sentence each.
        left_out: ids that the dataset does not have.
    """

    kind: str
    folds: tuple[Fold, ...]
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def read_given_splits(
    place: Path, rows: Sequence[LabelledSlide], *, partial: bool = False, seed: int = 0
) -> GivenSplits:
    """Read splits from a folder or a file.

    Args:
        place: the folder or file.
        rows: the slides of the dataset, with patients and labels.
        partial: leave out ids that the dataset does not have.
        seed: for choosing validation slides where a split names none.

    Raises:
        DataError: nothing there is a split, or it lists slides that the dataset does not have.
    """
    kind, raw = _read(place, rows)
    ids = _Ids(rows)
    notes: dict[str, None] = {}
    folds = []
    for number, parts in enumerate(raw):
        found = {part: ids.resolve(parts.get(part, ()), notes) for part in PARTS}
        if not found["val"] and found["train"]:
            found["train"], found["val"] = _held_out(found["train"], rows, seed + number)
            notes["a fifth of the training slides, by patient, validates: the splits name no validation slides"] = None
        if empty := [part for part in ("train", "test") if not found[part]]:
            raise DataError(
                f"fold {number} has no {empty[0]} slides", place=str(place), fix="give splits with train and test"
            )
        folds.append(Fold(0, number, tuple(found["train"]), tuple(found["val"]), tuple(found["test"])))
    strange = tuple(ids.strange)
    if strange and not partial:
        raise DataError(
            f"the splits list {len(strange)} slides without label or features: {listed(strange)}",
            place=str(place),
            fix="correct the ids, or leave these slides out with --partial",
        )
    used = {slide for fold in folds for _, part in fold.parts() for slide in part}
    if unused := [row.slide for row in rows if row.slide not in used]:
        notes[f"{len(unused)} slides are in no fold: {listed(unused, most=3)}"] = None
    return GivenSplits(kind, tuple(folds), tuple(notes), strange)


@dataclass
class _Ids:
    """Finds the slides that an id in a split file means: itself, or all slides of a patient."""

    rows: Sequence[LabelledSlide]
    strange: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._slides = {row.slide for row in self.rows}
        self._of_patient: dict[str, list[str]] = {}
        for row in self.rows:
            self._of_patient.setdefault(row.patient, []).append(row.slide)

    def resolve(self, ids: Iterable[str], notes: dict[str, None]) -> list[str]:
        """Slides of one part, each once."""
        found: dict[str, None] = {}
        for text in ids:
            slides = self._find(text)
            if not slides:
                self.strange[text] = None
            for slide in slides:
                if slide in found and len(slides) == 1:
                    notes["slides that stand several times in one part are taken once"] = None
                found[slide] = None
        return list(found)

    def _find(self, text: str) -> Sequence[str]:
        # pandas writes whole numbers as 12.0 in a column that was padded with empty cells.
        for form in (text, plain_id(text), re.sub(r"^(\d+)\.0$", r"\1", text)):
            if form in self._slides:
                return (form,)
            if form in self._of_patient:
                return self._of_patient[form]
        return ()


def _held_out(train: list[str], rows: Sequence[LabelledSlide], seed: int) -> tuple[list[str], list[str]]:
    by_slide = {row.slide: row for row in rows}
    own = [by_slide[slide] for slide in train]
    stay, aside = holdout([row.patient for row in own], [row.label for row in own], VAL_FRACTION, seed)
    return [train[i] for i in stay], [train[i] for i in aside]


def _read(place: Path, rows: Sequence[LabelledSlide]) -> tuple[str, list[Parts]]:
    if place.is_dir():
        for kind, read in _FOLDERS:
            if folds := read(place):
                return kind, folds
        tables = sorted(path for path in place.iterdir() if path.suffix.lower() in {".csv", ".tsv"})
        if len(tables) == 1:
            return _read(tables[0], rows)
        raise _no_splits(
            place, f"the folder holds {listed([one.name for one in sorted(place.iterdir())]) or 'nothing'}"
        )
    if not place.is_file():
        raise DataError("there is no such folder or file", place=f"--splits {place}", fix="give the splits' folder")
    table = _table(place)
    if {"repeat", "fold", "slide", "part"} <= set(table.columns):
        own = read_splits(place, {row.slide for row in rows}).folds
        return "this harness", [{part: list(slides) for part, slides in fold.parts()} for fold in own]
    if parts := _lists(table):
        return "columns train, val, test", [parts]
    return _by_column(table)


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
)


def _lists(table: Table) -> Parts:
    """Columns of slide ids, of unequal length."""
    named = {_PART_OF[name.lower()]: name for name in table.columns if name.lower() in _PART_OF}
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
        if name.lower() in _SPLIT_COLUMNS and _are_words(cells := table.cells(name)):
            return f"column {name}", [_by_word(ids, cells)]
    for name in table.columns:
        cells = table.cells(name)
        if name.lower() in {"fold", "folds", "cv", "fold_id"} and all(re.fullmatch(r"\d{1,3}(\.0)?", c) for c in cells):
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
    folds: Mapping[int, list[str]] = {
        number: [slide for slide, own in zip(ids, numbers, strict=True) if own == number]
        for number in sorted(set(numbers))
    }
    order = list(folds)
    if len(order) < 3:
        return [{"train": folds[order[1 - k]], "test": folds[order[k]]} for k in range(len(order)) if len(order) == 2]
    return [
        {
            "train": [slide for number in order if number not in {test, val} for slide in folds[number]],
            "val": folds[val],
            "test": folds[test],
        }
        for test, val in zip(order, [*order[1:], order[0]], strict=True)
    ]


def _blank(cell: str) -> bool:
    return cell.lower() in {"", "nan", "none", "na"}
