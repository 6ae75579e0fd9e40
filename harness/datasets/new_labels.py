"""The label table of a dataset that a user makes: which slides it lists, of whom, with which labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.core.errors import DataError
from harness.datasets.card import Erratum
from harness.datasets.identity import check_spellings, identity, quoted
from harness.datasets.label_columns import Columns, columns_of, opened
from harness.datasets.missing import Missing, is_missing, missing_in, refuse_missing
from harness.datasets.names import check_name, shown_bytes
from harness.datasets.several_slides import one_line_per_slide
from harness.datasets.slide_files import without_suffix
from harness.datasets.table import Row, listed
from harness.tasks.registry import DEFAULT, find_task
from harness.tasks.task import Task

FEATURE_SUFFIXES = (".h5", ".hdf5", ".pt", ".pth", ".npy", ".npz", ".zarr")
_DECIMAL_ZERO = re.compile(r"(-?\d+)\.0+")


@dataclass(frozen=True, kw_only=True)
class NewDataset:
    """What ``bench datasets new`` was asked for.

    Attributes:
        name: name of the dataset.
        slides: folder with the slides, at any depth.
        labels: table with a line per slide, or with a line per patient beside ``slide_table``.
        slide_table: table that says which slides are of which patient; None where ``labels`` does.
        slide_column, patient_column: columns. Where every slide is its own patient, the patient column may be the slide
            column.
        task: name of what is predicted.
        columns: column that the task needs → column of the table; what is left out is found by name.
        classes: class names in their order; of two, the second is the positive one. None sorts them.
        mpp: microns per pixel of level 0, for slides that do not say.
        folds: number of folds, at least 3.
        splits: folder or file with splits; None makes folds.
        allow_leaks: take splits that part the slides of a patient, for a protocol that is never ranked.
        into: folder in which the dataset folder is made.
        partial: leave out slides without a file and files without a label.
        drop_missing: leave out lines that lack a slide, a patient or a label.
        distinct_ids: slides and patients whose ids differ in spelling alone are different ones.
        seed: another seed gives other folds.
        split_slides: a cell may name several slides, joined by a semicolon.
    """

    name: str
    slides: Path
    labels: Path
    slide_table: Path | None = None
    slide_column: str = "slide"
    patient_column: str = "patient"
    task: str = DEFAULT
    columns: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    mpp: float | None = None
    folds: int = 5
    splits: Path | None = None
    allow_leaks: bool = False
    into: Path = Path()
    partial: bool = False
    drop_missing: bool = False
    distinct_ids: bool = False
    seed: int = 0
    split_slides: bool = False

    @property
    def kind(self) -> type[Task]:
        """What is predicted."""
        return find_task(self.task)

    @property
    def table_name(self) -> str:
        """Name of the table's file, as a card can hold it."""
        return shown_bytes(self.labels.name)


@dataclass(frozen=True)
class LabelledSlide:
    """One line of the table.

    Attributes:
        slide, patient: ids.
        label: name of the group that splits are stratified by: the class, or how follow-up ended.
        line: line number.
        cells: text by the columns that the task needs.
        extra: text by the other columns.
    """

    slide: str
    patient: str
    label: str
    line: int
    cells: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Labels:
    """What was read.

    Attributes:
        rows: the slides, in the order of the table.
        dropped: ids of slides that were left out for a missing value.
        errata: what was changed, for the card.
        columns: what the columns hold.
        notes: what was assumed, one sentence each.
    """

    rows: tuple[LabelledSlide, ...]
    dropped: tuple[str, ...]
    errata: tuple[Erratum, ...]
    columns: Columns
    notes: tuple[str, ...] = ()


def read_labels(options: NewDataset) -> Labels:
    """The label table, checked cell by cell.

    Patients whose ids differ in spelling alone become one, unless they are declared distinct: they may be one, and in
    one part of a split they leak nothing. Slides and classes that differ so are refused.

    Raises:
        DataError: a column or a value that is missing, a name that could do harm, a slide that stands twice, spellings
            that must be made one.
    """
    table, unmatched = opened(options)
    columns = columns_of(table, options)
    table = one_line_per_slide(table, columns.slide, split=options.split_slides)
    missing = missing_in(table, columns.needed, declared=options.classes or ())
    if not options.drop_missing:
        classes = any(one.what == "label" for one in missing)
        fix = "fill the cells in, or leave these lines out with --drop-missing"
        fix += "; a class that is really called so is named with --classes" * classes
        refuse_missing(missing, len(table), options.labels, fix=fix)
    lost = {line for one in missing for line in one.lines}
    rows, notes = _plain_classes([_slide(row, columns, options) for row in table if row.line not in lost], options)
    if not rows:
        raise DataError("no line has all its values", place=str(options.labels), fix="choose other columns")
    _check_slides(rows, options)
    _check_sites(rows, columns, options)
    rows, merged = _one_spelling(rows, options)
    if options.classes is None:
        for column in class_columns(options.kind):
            _check_spellings(
                ((row.cells[column], row.line) for row in rows), "class", options, "name each with --classes"
            )
    unnamed = {line for one in missing if one.what == "slide" for line in one.lines}
    dropped = [(row.line, _name(row, columns, options)) for row in table if row.line in lost - unnamed]
    errata = (*unmatched, *_dropped(missing, len(table), dropped, options), *merged)
    return Labels(tuple(rows), tuple(name for _, name in dropped), errata, columns, (*table.notes, *notes))


def class_columns(kind: type[Task]) -> list[str]:
    """Columns of a task that hold names of classes."""
    return [column for column, holds in kind.truth.items() if holds == "class"]


def plain_id(text: str) -> str:
    """A slide id as a table may give it: with folders before it, the extension of a slide or of a file of features."""
    name = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
    suffix = next((one for one in FEATURE_SUFFIXES if name.lower().endswith(one)), "")
    return without_suffix(name[: len(name) - len(suffix)] if suffix else name)


def _slide(row: Row, columns: Columns, options: NewDataset) -> LabelledSlide:
    place = f"{options.labels}, line {row.line}, column"
    slide = _name(row, columns, options)
    patient = slide if columns.patient == columns.slide else row[columns.patient]
    check_name(patient, "patient", f"{place} {columns.patient}")
    cells = {column: row[found] for column, found in columns.truth.items()}
    for column in class_columns(options.kind):
        check_name(cells[column], "class", f"{place} {columns.truth[column]}")
    label = next((cells[column] for column in class_columns(options.kind)), "")
    return LabelledSlide(slide, patient, label, row.line, cells, {name: row[name] for name in columns.extra})


def _name(row: Row, columns: Columns, options: NewDataset) -> str:
    return check_name(
        plain_id(row[columns.slide]), "slide", f"{options.labels}, line {row.line}, column {columns.slide}"
    )


def _plain_classes(rows: list[LabelledSlide], options: NewDataset) -> tuple[list[LabelledSlide], tuple[str, ...]]:
    """Classes that are all written ``0.0``, ``1.0``, as pandas does beside empty cells, become 0, 1."""
    notes = []
    for column in class_columns(options.kind):
        found = [_DECIMAL_ZERO.fullmatch(row.cells[column]) for row in rows]
        if all(found) and not {row.cells[column] for row in rows} & set(options.classes or ()):
            notes.append(f"The classes {listed(sorted({row.cells[column] for row in rows}))} are taken without '.0'.")
            plain = [match[1] for match in found if match]
            rows = [replace(r, cells={**r.cells, column: t}, label=t) for r, t in zip(rows, plain, strict=True)]
    return rows, tuple(notes)


def _check_slides(rows: Sequence[LabelledSlide], options: NewDataset) -> None:
    first: dict[str, int] = {}
    for row in rows:
        if row.slide in first:
            lines = f"lines {first[row.slide]} and {row.line}" if first[row.slide] != row.line else f"line {row.line}"
            raise DataError(
                f"slide {row.slide} stands twice", place=f"{options.labels}, {lines}", fix="keep one line per slide"
            )
        first[row.slide] = row.line
    option = "give --distinct-ids if they are different"
    _check_spellings(((row.slide, row.line) for row in rows), "slide", options, option)


def _check_sites(rows: Sequence[LabelledSlide], columns: Columns, options: NewDataset) -> None:
    if columns.site:
        found = ((row.extra[columns.site], row.line) for row in rows if not is_missing(row.extra[columns.site]))
        option = "give --distinct-ids if they are different"
        check_spellings(found, "site", place=str(options.labels), fix=option, distinct=options.distinct_ids)


def _check_spellings(cells: Iterable[tuple[str, int]], kind: str, options: NewDataset, fix: str) -> None:
    distinct = options.distinct_ids and kind == "slide"
    check_spellings(cells, kind, place=str(options.labels), fix=fix, distinct=distinct)


def _one_spelling(
    rows: Sequence[LabelledSlide], options: NewDataset
) -> tuple[list[LabelledSlide], tuple[Erratum, ...]]:
    """The rows with one spelling per patient, that of the first line; and what was changed."""
    if options.distinct_ids:
        return list(rows), ()
    first: dict[str, LabelledSlide] = {}
    for row in rows:
        first.setdefault(identity(row.patient), row)
    changed = [row for row in rows if row.patient != first[identity(row.patient)].patient]
    pairs = {row.patient: (first[identity(row.patient)], row) for row in changed}
    words = [
        f"{' and '.join(quoted(one.patient, other.patient))} (lines {one.line} and {other.line})"
        for one, other in pairs.values()
    ]
    merged = Erratum(
        slides=tuple(row.slide for row in changed),
        what=f"Patients in two spellings: {listed(words)}.",
        action="Taken for one patient each, in the first spelling. --distinct-ids keeps them apart.",
        source=options.table_name,
    )
    same = [replace(row, patient=first[identity(row.patient)].patient) for row in rows]
    return same, (merged,) if changed else ()


def _dropped(
    missing: Sequence[Missing], total: int, names: Sequence[tuple[int, str]], options: NewDataset
) -> tuple[Erratum, ...]:
    """What was left out, for the card."""
    lines = {one.column: set(one.lines) for one in missing}
    return tuple(
        Erratum(
            slides=tuple(name for line, name in names if line in lines[one.column]),
            what=f"{one.words(total)} (lines {listed(map(str, one.lines))}).",
            action="Left out with --drop-missing.",
            source=f"{options.table_name}, column {one.column}",
        )
        for one in missing
    )
