"""Split files: which slide is in train, val or test of which fold. Read strictly, and known by their SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import DataError
from harness.core.suggest import nearest
from harness.datasets.identity import did_you_mean, spelling
from harness.datasets.table import Row, listed, read_table, write_table

PARTS = ("train", "val", "test")
COLUMNS = ("repeat", "fold", "slide", "part")


@dataclass(frozen=True)
class Fold:
    """One fold of one repeat: slide ids per part, in the order of the file.

    A slide in no part is excluded from the fold. ``val`` is empty where the protocol has no validation set.
    """

    repeat: int
    fold: int
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def name(self) -> str:
        """Short name: ``r0f3``."""
        return f"r{self.repeat}f{self.fold}"

    def parts(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """(``train``, slides), (``val``, slides), (``test``, slides)."""
        yield from (("train", self.train), ("val", self.val), ("test", self.test))


@dataclass(frozen=True)
class Splits:
    """All folds of a split file, by repeat and fold.

    Attributes:
        path: the file.
        sha256: SHA-256 of its bytes.
        folds: the folds.
    """

    path: Path
    sha256: str
    folds: tuple[Fold, ...]


def read_splits(path: Path, known: Collection[str] | None = None) -> Splits:
    """Read a CSV file with the columns ``repeat, fold, slide, part``.

    Args:
        path: the file.
        known: slide ids that exist, in their spelling; None leaves them unchecked.

    Raises:
        DataError: a missing column, an unknown part, a number that is none, a slide twice in one fold, a slide that
            is not in ``known``, or a fold that trains on nothing or tests nothing.
    """
    rows = read_table(path, COLUMNS)
    slides = _slides(rows, known, path)
    parts: dict[tuple[int, int], dict[str, str]] = {}
    for row, slide in zip(rows, slides, strict=True):
        number = (_number(row, "repeat", path), _number(row, "fold", path))
        _add(parts.setdefault(number, {}), slide, row, path)
    folds = tuple(_fold(repeat, fold, parts[repeat, fold], path) for repeat, fold in sorted(parts))
    return Splits(path, hashlib.sha256(path.read_bytes()).hexdigest(), folds)


def write_splits(path: Path, folds: Iterable[Fold]) -> None:
    """Write a split file, atomically; equal folds give equal bytes."""
    write_table(path, COLUMNS, split_rows(folds))


def split_rows(folds: Iterable[Fold]) -> Iterator[tuple[int, int, str, str]]:
    """The lines of a split file."""
    for fold in folds:
        for part, slides in fold.parts():
            yield from ((fold.repeat, fold.fold, slide, part) for slide in slides)


def _slides(rows: Sequence[Row], known: Collection[str] | None, path: Path) -> list[str]:
    """The slide of each line, as the label table spells it. Of no account are letter case and the form of accents."""
    if blank := [row.line for row in rows if not row["slide"]]:
        raise DataError(
            "a line without slide", place=f"{path}, line {blank[0]}, column slide", fix="fill in the slide id"
        )
    names = {row["slide"] for row in rows} if known is None else set(known)
    by_spelling = {spelling(name): name for name in sorted(names)}
    slides = [row["slide"] if row["slide"] in names else by_spelling.get(spelling(row["slide"]), "") for row in rows]
    strange = {row["slide"]: row.line for row, slide in zip(rows, slides, strict=True) if not slide}
    if strange:
        first, line = next(iter(strange.items()))
        raise DataError(
            f"the split lists {len(strange)} slide{'s' * (len(strange) > 1)} that the label table does not know: "
            f"{listed(strange)}",
            place=f"{path}, line {line}",
            fix=f"{did_you_mean(first, names)}Correct the ids, or add the slides to the label table",
        )
    return slides


def _number(row: Row, column: str, path: Path) -> int:
    text = row[column]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise DataError(
            f"{text[:40]!r} is not a {column} number",
            place=f"{path}, line {row.line}, column {column}",
            fix="number repeats and folds from 0",
        )
    return int(text)


def _add(part_of: dict[str, str], slide: str, row: Row, path: Path) -> None:
    part = row["part"]
    if part not in PARTS:
        hits = nearest(part, PARTS, count=1)
        raise DataError(
            f"unknown part {part!r}",
            place=f"{path}, line {row.line}, column part",
            fix=f"did you mean {hits[0]!r}?" if hits else "parts are train, val and test",
        )
    if slide in part_of:
        raise DataError(
            f"slide {slide} stands twice in repeat {row['repeat']}, fold {row['fold']}: "
            f"in {part_of[slide]} and in {part}",
            place=f"{path}, line {row.line}",
            fix="put each slide into one part of a fold",
        )
    part_of[slide] = part


def _fold(repeat: int, fold: int, part_of: dict[str, str], path: Path) -> Fold:
    train, val, test = (tuple(slide for slide, part in part_of.items() if part == wanted) for wanted in PARTS)
    for part, slides in (("train", train), ("test", test)):
        if not slides:
            raise DataError(
                f"repeat {repeat}, fold {fold} has no {part} slides", place=str(path), fix=f"add lines with {part}"
            )
    return Fold(repeat, fold, train, val, test)
