"""Making a dataset of any folder of slides and a table of labels."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from harness.data.new_card import card_of, readme_of
from harness.data.slide_files import SlideFile, assign, slide_files, without_suffix
from harness.errors import DataError, UsageError
from harness.protocol.card import INTERVALS, DatasetCard
from harness.protocol.card_file import CARD_FILE
from harness.protocol.catalog import list_datasets
from harness.protocol.dataset import Dataset, load_dataset
from harness.protocol.follow_up import CENSORED, EVENT, FollowUp, check_patients, most_intervals, read_event, read_time
from harness.protocol.make_splits import stratified_folds
from harness.protocol.names import check_name
from harness.protocol.splits import Fold, write_splits
from harness.protocol.table import Row, listed, read_table, write_table
from harness.suggest import unknown


@dataclass(frozen=True, kw_only=True)
class NewDataset:
    """What ``bench datasets new`` was asked for.

    Attributes:
        name: name of the dataset.
        slides: folder with the slides, at any depth.
        labels: CSV file with a line per slide.
        slide_column, label_column, patient_column: its columns. Where every slide is its own patient, the patient
            column may be the slide column.
        time_column, event_column: for a dataset of survival its columns, in place of that of the classes; None for a
            dataset of classes.
        classes: class names in their order; of two, the second is the positive one. None sorts them.
        mpp: microns per pixel of level 0, for slides that do not say.
        folds: number of folds, at least 3.
        into: folder in which the dataset folder is made.
        partial: leave out slides without a file and files without a label.
        seed: another seed gives other folds.
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
    seed: int = 0

    @property
    def survival(self) -> bool:
        """Whether patients were followed over time."""
        return self.time_column is not None


@dataclass(frozen=True)
class _Slide:
    slide: str
    patient: str
    label: str
    time: str = ""

    @property
    def event(self) -> int:
        """1 for an event, 0 for censored (survival)."""
        return int(self.label == EVENT)


def new_dataset(wish: NewDataset) -> Dataset:
    """Make the folder ``into/name`` with card, label table, split file and README. It is whole or absent.

    Raises:
        UsageError: a name that is taken or unusable, a wrong option, too few patients for the folds.
        DataError: a column that is missing, names that could do harm, slides without files or files without labels.
    """
    folder = _target(wish)
    rows = _rows(wish)
    files = assign([row.slide for row in rows], _slide_files(wish), partial=wish.partial)
    rows = [row for row in rows if row.slide in files]
    if wish.mpp is None and (flat := [slide for slide, file in files.items() if file.flat]):
        raise UsageError(
            f"{len(flat)} slides are flat images, which do not say their resolution: {listed(flat)}",
            place="--mpp",
            fix="give their microns per pixel with --mpp",
        )
    classes = (CENSORED, EVENT) if wish.survival else _classes(rows, wish)
    # Without an event in every part there is nothing to learn or score; without anybody censored there is.
    folds = _folds(rows, (EVENT,) if wish.survival else classes, wish)
    content = card_of(
        name=wish.name,
        classes=None if wish.survival else classes,
        intervals=_intervals(rows, folds, wish) if wish.survival else None,
        counts=_counts(rows, classes),
        patterns=_patterns(files),
        root=wish.slides.resolve(),
        table=wish.labels.name,
        mpp=wish.mpp,
        folds=wish.folds,
    )
    DatasetCard.model_validate(content)
    _write(folder, content, rows, folds, wish)
    return load_dataset(folder)


def _slide_files(wish: NewDataset) -> list[SlideFile]:
    files = slide_files(wish.slides)
    if not wish.partial and any(file.path == wish.slides for file in files):
        raise DataError(
            "DICOM files lie loose among the slides, so that nothing says which of them are one slide",
            place=str(wish.slides),
            fix="put the files of each slide into a folder of their own, or leave them out with --partial",
        )
    return [file for file in files if file.path != wish.slides]


def _target(wish: NewDataset) -> Path:
    """Where the dataset goes, if its name is free."""
    name = wish.name
    plain = name.replace("-", "").replace("_", "")
    if not (plain.isascii() and plain.isalnum() and name == name.lower() and name[0].isalnum() and len(name) <= 64):
        raise UsageError(
            f"{name!r} cannot be the name of a dataset",
            place="NAME",
            fix="use lower-case letters, digits, - and _, starting with a letter or digit",
        )
    taken = next((one for one in list_datasets() if one.name == name), None)
    if taken is not None:
        raise UsageError(f"there is a dataset {name!r} already", place=taken.origin, fix="choose another name")
    if (wish.time_column is None) != (wish.event_column is None):
        raise UsageError(
            "a dataset of survival needs a column of times and one of events",
            place="--time-col, --event-col",
            fix="give both, or neither for a dataset of classes",
        )
    folder = wish.into.expanduser() / name
    if folder.exists() or folder.is_symlink():
        raise UsageError("the folder exists already", place=str(folder), fix="choose another name, or remove it first")
    return folder


def _rows(wish: NewDataset) -> list[_Slide]:
    """The label table, checked cell by cell."""
    truth = (wish.label_column,) if wish.time_column is None else (wish.time_column, wish.event_column or "")
    columns = tuple(dict.fromkeys((wish.slide_column, *truth, wish.patient_column)))
    try:
        table = read_table(wish.labels, columns)
    except DataError as wrong:
        options = "choose columns with --slide-col, --label-col and --patient-col"
        fix = f"{wrong.fix}; {options}" if "no column" in wrong.problem else wrong.fix
        raise DataError(wrong.problem, place=wrong.place, fix=fix) from None
    rows, line_of = [], dict[str, int]()
    for row in table:
        slide = _slide(row, wish)
        first = line_of.setdefault(slide.slide.casefold(), row.line)
        if first != row.line:
            raise DataError(
                f"slide {slide.slide} stands twice (letter case does not count)",
                place=f"{wish.labels}, lines {first} and {row.line}",
                fix="keep one line per slide",
            )
        rows.append(slide)
    if wish.survival:
        check_patients([row.slide for row in rows], _follow_up(rows), place=str(wish.labels))
    return rows


def _slide(row: Row, wish: NewDataset) -> _Slide:
    place = f"{wish.labels}, line {row.line}, column"
    slide = check_name(without_suffix(row[wish.slide_column]), "slide", f"{place} {wish.slide_column}")
    patient = row[wish.patient_column]
    if wish.patient_column == wish.slide_column:
        patient = slide
    check_name(patient, "patient", f"{place} {wish.patient_column}")
    if wish.time_column is not None and wish.event_column is not None:
        read_time(row[wish.time_column], f"{place} {wish.time_column}")
        event = read_event(row[wish.event_column], f"{place} {wish.event_column}")
        return _Slide(slide, patient, (CENSORED, EVENT)[event], row[wish.time_column])
    return _Slide(slide, patient, check_name(row[wish.label_column], "class", f"{place} {wish.label_column}"))


def _classes(rows: Sequence[_Slide], wish: NewDataset) -> tuple[str, ...]:
    """Class names: as given, else numbers by value and words by alphabet."""
    found = {row.label for row in rows}
    if wish.classes is None:
        numbers = all(name.isascii() and name.isdigit() for name in found)
        classes = tuple(sorted(found, key=lambda name: (int(name), name) if numbers else (0, name)))
    else:
        classes = wish.classes
        if strange := sorted(found - set(classes)):
            raise unknown("class", strange[0], classes, place=f"{wish.labels}, --classes", listing="--classes")
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


def _folds(rows: Sequence[_Slide], classes: Sequence[str], wish: NewDataset) -> list[Fold]:
    """Stratified folds by patient; fold k validates on the test slides of fold k + 1, so that both hold all classes."""
    patients = {name: {row.patient for row in rows if row.label == name} for name in classes}
    rarest = min(classes, key=lambda name: len(patients[name]))
    most = len(patients[rarest])
    if not 3 <= wish.folds <= most:
        raise UsageError(
            f"{wish.folds} folds cannot be made: class {rarest!r} has slides of {most} patients",
            place="--folds",
            fix=f"choose from 3 to {most} folds" if most >= 3 else "add slides of at least 3 patients per class",
        )
    made = stratified_folds([row.patient for row in rows], [row.label for row in rows], wish.folds, 0.2, wish.seed)
    tests = [set(fold["test"]) for fold in made]
    folds = []
    for k, test in enumerate(tests):
        val = tests[(k + 1) % len(tests)]
        train = set(range(len(rows))) - test - val
        for part in (train, val, test):
            _check_part(part, rows, classes)
        folds.append(Fold(0, k, *(tuple(rows[i].slide for i in sorted(part)) for part in (train, val, test))))
    return folds


def _check_part(part: set[int], rows: Sequence[_Slide], classes: Sequence[str]) -> None:
    if lacking := [name for name in classes if all(rows[i].label != name for i in part)]:
        raise UsageError(
            f"not every fold can have slides of class {lacking[0]!r}, because patients have slides of several classes",
            place="--folds",
            fix="choose fewer folds, or add slides",
        )


def _intervals(rows: Sequence[_Slide], folds: Sequence[Fold], wish: NewDataset) -> int:
    """As many intervals of time, up to the usual number, as the training patients of every fold have events for."""
    by_slide = {row.slide: row for row in rows}
    trained = [_follow_up([by_slide[slide] for slide in fold.train]) for fold in folds]
    return most_intervals(trained, INTERVALS, place=f"{wish.labels}, column {wish.time_column}")


def _follow_up(rows: Sequence[_Slide]) -> FollowUp:
    times, events = np.array([float(row.time) for row in rows]), np.array([row.event for row in rows])
    return FollowUp(tuple(row.patient for row in rows), times, events)


def _counts(rows: Sequence[_Slide], classes: Sequence[str]) -> dict[str, int]:
    by_class = Counter(row.label for row in rows)
    reserved = {"slides", "patients", "tiles"}
    counts = {"slides": len(rows), "patients": len({row.patient for row in rows})}
    return counts | {name: by_class[name] for name in classes if name not in reserved}


def _patterns(files: Mapping[str, SlideFile]) -> list[str]:
    """Patterns that find the files, those of slides before those of flat images, the shorter ones first."""
    found = {(file.flat, ".*" in file.pattern, file.pattern) for file in files.values()}
    return [pattern for _, _, pattern in sorted(found)]


def _write(
    folder: Path, content: dict[str, object], rows: Sequence[_Slide], folds: Sequence[Fold], wish: NewDataset
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        building = Path(scratch) / folder.name
        (building / "splits").mkdir(parents=True)
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
        (building / CARD_FILE).write_text(text, encoding="utf-8")
        if wish.survival:
            columns, table = (
                ("slide", "patient", "time", "event"),
                [(r.slide, r.patient, r.time, r.event) for r in rows],
            )
            write_table(building / "labels.csv", columns, table)
        else:
            write_table(
                building / "labels.csv", ("slide", "patient", "label"), [(r.slide, r.patient, r.label) for r in rows]
            )
        write_splits(building / "splits" / "cv.csv", folds)
        (building / "README.md").write_text(readme_of(content, wish.labels.name, wish.seed), encoding="utf-8")
        load_dataset(building).splits()
        building.rename(folder)
