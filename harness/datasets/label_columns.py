"""Which columns of somebody's table hold what: slides, patients and labels, known by name or as the user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import DataError, UsageError
from harness.core.suggest import unknown
from harness.datasets.card import Erratum
from harness.datasets.sheet import open_sheet
from harness.datasets.table import Table, read_table
from harness.datasets.two_tables import merged
from harness.tasks.registry import find_task

if TYPE_CHECKING:
    from harness.datasets.new_labels import NewDataset

SLIDE_COLUMNS = ("slide", "slide_id", "slide_name", "filename", "wsi_id", "wsi", "image_id", "bag_name")
PATIENT_COLUMNS = ("patient", "patient_id", "case_id", "case", "bcr_patient_barcode", "submitter_id")
SITE_COLUMNS = ("site", "center", "centre", "hospital", "institution", "data_provider")
RESOLUTION_COLUMNS = ("mpp", "slide_mpp", "level0_mpp", "mpp_level0")
REPORT_COLUMNS = ("report", "reports", "report_text", "pathology_report")
"""Names, in lower case, by which columns are known; a column of the first name is preferred to the others."""
_OWN = ("slide", "patient")


@dataclass(frozen=True)
class Columns:
    """What the columns of a table hold.

    Attributes:
        slide, patient: columns with ids.
        truth: column that the task needs → column of the table.
        extra: the other columns, which are carried over.
        site, report, mpp: those of ``extra`` that hold sites, reports, and microns per pixel of level 0; empty where
            there are none.
        left_out: columns that cannot be carried over, because the dataset has others of these names.
    """

    slide: str
    patient: str
    truth: Mapping[str, str]
    extra: tuple[str, ...] = ()
    site: str = ""
    report: str = ""
    mpp: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[tuple[str, str], ...]:
        """(what it holds, column) of the columns that every line must fill."""
        return (("slide", self.slide), *self.truth.items(), ("patient", self.patient))


def opened(options: NewDataset) -> tuple[Table, tuple[Erratum, ...]]:
    """The label table with a line per slide; and what ``--partial`` leaves out where it was put together from two.

    Raises:
        DataError: a table cannot be read, or lacks a column; or the two do not list the same patients.
    """
    if options.slide_table is None:
        header = open_sheet(options.labels, (), legacy=True).columns
        return _read(options, _chosen(header, options), header), ()
    slides = read_table(options.slide_table, (), legacy=True)
    patients = read_table(options.labels, (), legacy=True)
    of_slides, of_patients = (
        _named(options.patient_column, PATIENT_COLUMNS, one.columns) for one in (slides, patients)
    )
    slide = _named(options.slide_column, SLIDE_COLUMNS, slides.columns)
    for table, column in ((slides, of_slides), (slides, slide), (patients, of_patients)):
        if column not in table.columns:
            open_sheet(table.path, (column,), legacy=True)  # raises, and names the nearest columns
    return merged(patients, of_patients, slides, of_slides, slide, partial=options.partial)


def columns_of(table: Table, options: NewDataset) -> Columns:
    """What the columns hold.

    Raises:
        DataError: one that is needed is not there.
        UsageError: a column is named that the task does not have.
    """
    chosen = _chosen(table.columns, options)
    if lacking := [found for _, found in chosen.needed if found not in table.columns]:
        open_sheet(table.path, lacking, legacy=True)
    for column, found in chosen.truth.items():
        options.kind.check_column(column, found, place=f"{table.path}, column {found}")
    used = {found for _, found in chosen.needed}
    others = [name for name in table.columns if name not in used]
    taken = {*_OWN, *options.kind.truth}
    extra = tuple(name for name in others if name not in taken)
    return Columns(
        chosen.slide,
        chosen.patient,
        chosen.truth,
        extra,
        site=_known(SITE_COLUMNS, extra),
        report=_known(REPORT_COLUMNS, extra),
        mpp=_known(RESOLUTION_COLUMNS, extra),
        left_out=tuple(name for name in others if name in taken),
    )


def _chosen(header: Sequence[str], options: NewDataset) -> Columns:
    kind = options.kind
    if strange := [name for name in options.columns if name not in kind.truth]:
        raise unknown("label column", strange[0], kind.truth, place="--col", listing=f"task {kind.name}")
    truth = {
        column: options.columns.get(column) or _named(column, kind.known_as.get(column, (column,)), header)
        for column in kind.truth
    }
    return Columns(
        _named(options.slide_column, SLIDE_COLUMNS, header),
        _named(options.patient_column, PATIENT_COLUMNS, header),
        truth,
    )


def _named(column: str, known: Sequence[str], header: Sequence[str]) -> str:
    """``column``; where it is the name that is asked for by default and not there, one that is known to mean it."""
    if column != known[0] or column in header:
        return column
    return _known(known, header) or column


def _known(known: Sequence[str], header: Sequence[str]) -> str:
    by_lower = {name.lower(): name for name in reversed(header)}
    return next((by_lower[name] for name in known if name in by_lower), "")


def _read(options: NewDataset, columns: Columns, header: Sequence[str]) -> Table:
    try:
        return read_table(options.labels, tuple(dict.fromkeys(column for _, column in columns.needed)), legacy=True)
    except DataError as wrong:
        fix = f"{wrong.fix}; {_hint(options, columns, header)}" if "no column" in wrong.problem else wrong.fix
        raise DataError(wrong.problem, place=wrong.place, fix=fix) from None


def _hint(options: NewDataset, columns: Columns, header: Sequence[str]) -> str:
    """What can be done where columns are missing."""
    missing = [what for what, column in columns.needed if column not in header]
    if missing == ["patient"]:
        return f"where every slide is a patient of its own, add --patient-col {columns.slide}"
    several = [f"--col {column}=COLUMN" for column in options.kind.truth]
    words = " and ".join(["--slide-col, --patient-col", *(["--label-col"] if len(several) == 1 else several)])
    headless = "if the first line is a slide already, add one with the names of the columns; "
    return f"{headless if len(missing) == len(columns.needed) else ''}choose columns with {words}"


def columns_for(kind: str, label: str | None, named: Mapping[str, str]) -> dict[str, str]:
    """Columns that a user has named, by the columns that the task needs.

    Args:
        kind: name of the task.
        label: of a task with a single column, that one.
        named: any others.

    Raises:
        UsageError: there is no such task, or ``label`` is named for one with several columns.
    """
    try:
        truth = find_task(kind).truth
    except UsageError as wrong:
        fix = f"{wrong.fix}; a task of a plugin needs --plugin"
        raise UsageError(wrong.problem, place="--task", fix=fix) from wrong
    if label is None:
        return dict(named)
    if len(truth) > 1:
        raise UsageError(
            f"a dataset of {kind} has no single label column, it has {' and '.join(truth)}: --label-col has no effect",
            place="--label-col",
            fix=" ".join(f"--col {column}=COLUMN" for column in truth),
        )
    return {next(iter(truth)): label, **named}
