"""A table of patients and a table of slides, as STAMP keeps them, put together to one with a line per slide."""

from __future__ import annotations

from harness.core.errors import DataError
from harness.datasets.card import Erratum
from harness.datasets.identity import check_spellings, did_you_mean
from harness.datasets.missing import is_missing
from harness.datasets.names import shown_bytes
from harness.datasets.table import Row, Table, listed


def merged(
    patients: Table, of_patients: str, slides: Table, of_slides: str, slide: str, *, partial: bool
) -> tuple[Table, tuple[Erratum, ...]]:
    """One line per slide, with the number of its patient's line, and the columns of both tables.

    Args:
        patients: a line per patient.
        of_patients: its column of patients.
        slides: a line per slide.
        of_slides, slide: its columns of patients and of slides.
        partial: leave out slides of patients who are not in the other table, and patients without slides.

    Returns:
        The table, and what was left out. Columns that both have are those of the table of slides.

    Raises:
        DataError: a patient has two lines or two spellings, or the tables list different patients.
    """
    by_patient = _by_patient(patients, of_patients)
    if unnamed := [row.line for row in slides if is_missing(row[slide])]:
        raise DataError(
            f"{len(unnamed)} lines of the table of slides name no slide",
            place=f"{slides.path}, line {unnamed[0]}, column {slide}",
            fix="fill the cells in, or remove these lines",
        )
    listed_there = {row[of_slides] for row in slides}
    strange = {row[of_slides]: row for row in slides if row[of_slides] not in by_patient}
    without = [name for name in by_patient if name not in listed_there and not is_missing(name)]
    if strange and not partial:
        name, row = next(iter(strange.items()))
        raise DataError(
            f"{len(strange)} patients of the table of slides are not in that of patients: {listed(strange)}",
            place=f"{slides.path}, line {row.line}, column {of_slides}",
            fix=f"{did_you_mean(name, by_patient)}Add them to {patients.path.name}, or leave them out with --partial",
        )
    if without and not partial:
        raise DataError(
            f"{len(without)} patients have no line in the table of slides: {listed(without)}",
            place=f"{patients.path}, column {of_patients}",
            fix=f"{did_you_mean(without[0], listed_there)}Add their slides, or leave them out with --partial",
        )
    own = [name for name in patients.columns if name != of_patients and name not in slides.columns]
    columns = (*slides.columns, *own)
    positions = {name: number for number, name in enumerate(columns)}
    rows = [
        Row(found.line, positions, (*row.values, *(found[name] for name in own)))
        for row in slides
        if (found := by_patient.get(row[of_slides])) is not None
    ]
    if not rows:
        raise DataError("no patient stands in both tables", place=str(slides.path), fix="choose the right columns")
    return Table(patients.path, columns, rows, (*patients.notes, *slides.notes)), _left_out(
        [row[slide] for row in slides if row[of_slides] in strange], without, patients, slides
    )


def _by_patient(patients: Table, of_patients: str) -> dict[str, Row]:
    """Patient → line; raises DataError where a patient has two lines or two spellings."""
    cells = [(row[of_patients], row.line) for row in patients if not is_missing(row[of_patients])]
    check_spellings(cells, "patient", place=f"{patients.path}, column {of_patients}", fix="correct them")
    by_patient: dict[str, Row] = {}
    for row in patients:
        if (first := by_patient.setdefault(row[of_patients], row)) is not row and not is_missing(row[of_patients]):
            raise DataError(
                f"patient {row[of_patients]} stands twice in the table of patients",
                place=f"{patients.path}, lines {first.line} and {row.line}",
                fix="keep one line per patient",
            )
    return by_patient


def _left_out(strange: list[str], without: list[str], patients: Table, slides: Table) -> tuple[Erratum, ...]:
    found = (
        (strange, "slides of patients without a line in the table of patients", slides),
        (without, "patients without a line in the table of slides", patients),
    )
    return tuple(
        Erratum(
            slides=tuple(names),
            what=f"{len(names)} {words}: {listed(names)}.",
            action="Left out with --partial.",
            source=shown_bytes(table.path.name),
        )
        for names, words, table in found
        if names
    )
