"""The label table of a dataset that a user makes: which slides it lists, of whom, with which class or follow-up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.core.errors import DataError, UsageError
from harness.core.suggest import unknown
from harness.datasets.card import Erratum
from harness.datasets.csv_text import open_sheet
from harness.datasets.identity import check_spellings, identity, quoted
from harness.datasets.missing import Missing, missing_in, refuse_missing
from harness.datasets.names import check_name, shown_bytes
from harness.datasets.slide_files import without_suffix
from harness.datasets.table import Row, listed, read_table
from harness.tasks.follow_up import CENSORED, EVENT, FollowUp, check_patients, read_event, read_time

SLIDE_COLUMNS = ("slide", "slide_id", "slide_name", "filename", "wsi_id", "wsi", "image_id", "bag_name")
PATIENT_COLUMNS = ("patient", "patient_id", "case_id", "case", "bcr_patient_barcode", "submitter_id")
LABEL_COLUMNS = ("label", "target", "class")
"""Columns that are known by name, in any letter case, where the one that is asked for by default is not there."""


@dataclass(frozen=True, kw_only=True)
class NewDataset:
    """What ``bench datasets new`` was asked for.

    Attributes:
        name: name of the dataset.
        slides: folder with the slides, at any depth.
        labels: table with a line per slide.
        slide_column, label_column, patient_column: its columns. Where every slide is its own patient, the patient
            column may be the slide column.
        time_column, event_column: for a dataset of survival its columns, in place of that of the classes; None for a
            dataset of classes.
        classes: class names in their order; of two, the second is the positive one. None sorts them.
        mpp: microns per pixel of level 0, for slides that do not say.
        folds: number of folds, at least 3.
        into: folder in which the dataset folder is made.
        partial: leave out slides without a file and files without a label.
        drop_missing: leave out lines that lack a slide, patient, class, time or event.
        distinct_ids: slides and patients whose ids differ in spelling alone are different ones.
        seed: another seed gives other folds.
        file_ids: ids may be paths of files of features: folders and extensions are left out.
    """

    name: str
    slides: Path
    labels: Path
    slide_column: str = "slide"
    label_column: str = "label"
    patient_column: str = "patient"
    time_column: str | None = None
    event_column: str | None = None
    classes: tuple[str, ...] | None = None
    mpp: float | None = None
    folds: int = 5
    into: Path = Path()
    partial: bool = False
    drop_missing: bool = False
    distinct_ids: bool = False
    seed: int = 0
    file_ids: bool = False

    @property
    def survival(self) -> bool:
        """Whether patients were followed over time."""
        return self.time_column is not None

    @property
    def table_name(self) -> str:
        """Name of the table's file, as a card can hold it."""
        return shown_bytes(self.labels.name)

    @property
    def needed(self) -> tuple[tuple[str, str], ...]:
        """(what it holds, column) of the columns that every line must fill."""
        truth: tuple[tuple[str, str], ...] = (("label", self.label_column),)
        if self.time_column is not None and self.event_column is not None:
            truth = (("time", self.time_column), ("event", self.event_column))
        return (("slide", self.slide_column), *truth, ("patient", self.patient_column))


@dataclass(frozen=True)
class LabelledSlide:
    """One line: the slide, its patient, and its class, or the time and how follow-up ended."""

    slide: str
    patient: str
    label: str
    line: int
    time: str = ""

    @property
    def event(self) -> int:
        """1 for an event, 0 for censored (survival)."""
        return int(self.label == EVENT)


@dataclass(frozen=True)
class Labels:
    """What was read.

    Attributes:
        rows: the slides, in the order of the table.
        dropped: ids of slides that were left out for a missing value.
        errata: what was changed, for the card.
    """

    rows: tuple[LabelledSlide, ...]
    dropped: tuple[str, ...]
    errata: tuple[Erratum, ...]


def read_labels(wish: NewDataset) -> Labels:
    """The label table, checked cell by cell.

    Patients whose ids differ in spelling alone become one, unless they are declared distinct: they may be one, and in
    one part of a split they leak nothing. Slides and classes that differ so are refused.

    Raises:
        DataError: a column or a value that is missing, a name that could do harm, a slide that stands twice, spellings
            that must be made one.
    """
    wish = _with_columns(wish)
    table = _table(wish)
    missing = missing_in(table, wish.needed, declared=wish.classes or ())
    if not wish.drop_missing:
        classes = any(one.what == "label" for one in missing)
        fix = "fill the cells in, or leave these lines out with --drop-missing"
        fix += "; a class that is really called so is named with --classes" * classes
        refuse_missing(missing, len(table), wish.labels, fix=fix)
    lost = {line for one in missing for line in one.lines}
    rows = [_slide(row, wish) for row in table if row.line not in lost]
    if not rows:
        raise DataError("no line has all its values", place=str(wish.labels), fix="choose other columns")
    _check_slides(rows, wish)
    rows, merged = _one_spelling(rows, wish)
    if wish.survival:
        check_patients([row.slide for row in rows], follow_up_of(rows), place=str(wish.labels))
    elif wish.classes is None:
        _check_spellings(((row.label, row.line) for row in rows), "class", wish, "name each with --classes")
    unnamed = {line for one in missing if one.what == "slide" for line in one.lines}
    dropped = {row.line: _name(row, wish) for row in table if row.line in lost - unnamed}
    return Labels(tuple(rows), tuple(dropped.values()), (*_dropped(missing, len(table), dropped, wish), *merged))


def _with_columns(wish: NewDataset) -> NewDataset:
    """The columns that the table has, where those of the default names are not there."""
    header = [name for name in open_sheet(wish.labels, ()).columns if name]
    by_lower = {name.lower(): name for name in reversed(header)}

    def known_as(column: str, known: Sequence[str]) -> str:
        if column != known[0] or column in header:
            return column
        return next((by_lower[name] for name in known if name in by_lower), column)

    return replace(
        wish,
        slide_column=known_as(wish.slide_column, SLIDE_COLUMNS),
        patient_column=known_as(wish.patient_column, PATIENT_COLUMNS),
        label_column=known_as(wish.label_column, LABEL_COLUMNS),
    )


def plain_id(text: str) -> str:
    """A slide id as a table may give it: with folders before it, the extension of a slide or of a file of features."""
    name = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
    suffix = next((one for one in FEATURE_SUFFIXES if name.lower().endswith(one)), "")
    return without_suffix(name[: len(name) - len(suffix)] if suffix else name)


FEATURE_SUFFIXES = (".h5", ".hdf5", ".pt", ".pth", ".npy", ".npz", ".zarr")


def _table(wish: NewDataset) -> list[Row]:
    try:
        return read_table(wish.labels, tuple(dict.fromkeys(column for _, column in wish.needed)))
    except DataError as wrong:
        options = "choose columns with --slide-col, --label-col and --patient-col"
        fix = f"{wrong.fix}; {options}" if "no column" in wrong.problem else wrong.fix
        raise DataError(wrong.problem, place=wrong.place, fix=fix) from None


def _slide(row: Row, wish: NewDataset) -> LabelledSlide:
    place = f"{wish.labels}, line {row.line}, column"
    slide = _name(row, wish)
    patient = slide if wish.patient_column == wish.slide_column else row[wish.patient_column]
    check_name(patient, "patient", f"{place} {wish.patient_column}")
    if wish.time_column is not None and wish.event_column is not None:
        time = row[wish.time_column]
        read_time(time, f"{place} {wish.time_column}")
        event = read_event(row[wish.event_column], f"{place} {wish.event_column}")
        return LabelledSlide(slide, patient, (CENSORED, EVENT)[event], row.line, time.replace(",", "."))
    label = check_name(row[wish.label_column], "class", f"{place} {wish.label_column}")
    return LabelledSlide(slide, patient, label, row.line)


def _name(row: Row, wish: NewDataset) -> str:
    place = f"{wish.labels}, line {row.line}, column {wish.slide_column}"
    name = row[wish.slide_column]
    return check_name(plain_id(name) if wish.file_ids else without_suffix(name), "slide", place)


def _check_slides(rows: Sequence[LabelledSlide], wish: NewDataset) -> None:
    first: dict[str, int] = {}
    for row in rows:
        if (line := first.setdefault(row.slide, row.line)) != row.line:
            raise DataError(
                f"slide {row.slide} stands twice",
                place=f"{wish.labels}, lines {line} and {row.line}",
                fix="keep one line per slide",
            )
    option = "give --distinct-ids if they are different"
    _check_spellings(((row.slide, row.line) for row in rows), "slide", wish, option)


def _check_spellings(cells: Iterable[tuple[str, int]], kind: str, wish: NewDataset, fix: str) -> None:
    distinct = wish.distinct_ids and kind == "slide"
    check_spellings(cells, kind, place=str(wish.labels), fix=fix, distinct=distinct)


def _one_spelling(rows: Sequence[LabelledSlide], wish: NewDataset) -> tuple[list[LabelledSlide], tuple[Erratum, ...]]:
    """The rows with one spelling per patient, that of the first line; and what was changed."""
    if wish.distinct_ids:
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
        source=wish.table_name,
    )
    same = [replace(row, patient=first[identity(row.patient)].patient) for row in rows]
    return same, (merged,) if changed else ()


def _dropped(missing: Sequence[Missing], total: int, names: dict[int, str], wish: NewDataset) -> tuple[Erratum, ...]:
    """What was left out, for the card."""
    return tuple(
        Erratum(
            slides=tuple(names[line] for line in one.lines if line in names),
            what=f"{one.words(total)} (lines {listed(map(str, one.lines))}).",
            action="Left out with --drop-missing.",
            source=f"{wish.table_name}, column {one.column}",
        )
        for one in missing
    )


def follow_up_of(rows: Sequence[LabelledSlide]) -> FollowUp:
    """The follow-up of the patients of ``rows``."""
    times, events = np.array([float(row.time) for row in rows]), np.array([row.event for row in rows])
    return FollowUp(tuple(row.patient for row in rows), times, events)


def classes_of(rows: Sequence[LabelledSlide], wish: NewDataset) -> tuple[str, ...]:
    """Class names: as declared, else numbers by value and words by alphabet.

    Raises:
        UsageError: declared classes that are not those of the rows.
        DataError: a single class, or so many that they cannot be classes.
    """
    found = {row.label: row.line for row in reversed(rows)}
    if wish.classes is None:
        numbers = all(name.isascii() and name.isdigit() and len(name) < 10 for name in found)
        classes = tuple(sorted(found, key=lambda name: (int(name), name) if numbers else (0, name)))
    else:
        classes = wish.classes
        if strange := sorted(found.keys() - set(classes)):
            place = f"{wish.labels}, line {found[strange[0]]}, --classes"
            raise unknown("class", strange[0], classes, place=place, listing="--classes")
        if empty := [name for name in classes if name not in found]:
            raise UsageError(f"no slide has the class {empty[0]!r}", place="--classes", fix="leave it out")
        if len(set(classes)) != len(classes):
            raise UsageError("a class stands twice", place="--classes", fix="name each class once")
    if len(classes) < 2:
        raise DataError(
            f"all slides have the label {classes[0]!r}",
            place=f"{wish.labels}, column {wish.label_column}",
            fix="a dataset needs slides of at least two classes",
        )
    if len(classes) > len(rows) // 2:
        raise DataError(
            f"{len(classes)} different labels for {len(rows)} slides: {listed(classes)}",
            place=f"{wish.labels}, column {wish.label_column}",
            fix="labels are classes; choose the right column with --label-col",
        )
    return classes
