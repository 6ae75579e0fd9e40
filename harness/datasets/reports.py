"""Pathology reports: one text per slide, from a column or from text files that the card names."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from harness.core.errors import DataError, LeakError
from harness.core.hashing import sha256_json
from harness.core.reading import MEBIBYTE, read_text
from harness.datasets.dataset import Dataset
from harness.datasets.identity import check_spellings, identity, quoted, spelling
from harness.datasets.missing import is_missing
from harness.datasets.table import Row, listed, read_table

_LARGEST = 16 * MEBIBYTE


def reports_for(dataset: Dataset, slides: Sequence[str], *, held_out: Collection[str] = ()) -> tuple[str, ...]:
    """The report of each slide, in this order. For training and validation slides only.

    A report usually holds the diagnosis: that of a test slide is closed like its label.

    Args:
        dataset: the dataset.
        slides: slide ids.
        held_out: slides whose reports stay closed: the test slides of the fold. So are those of their patients.

    Raises:
        LeakError: one of ``slides``, or another slide of its patient, is held out.
        DataError: the dataset has no reports, or not of all these slides.
    """
    closed = {dataset.patients[slide] for slide in held_out}
    if opened := [slide for slide in slides if dataset.patients[slide] in closed]:
        raise LeakError(
            f"reports of {len(opened)} slides of test patients were asked for: {listed(opened)}",
            place=f"dataset {dataset.name}",
            fix="ask for training and validation slides only, and part slides by patient",
        )
    texts = read_reports(dataset, slides)
    if lacking := [slide for slide, text in zip(slides, texts, strict=True) if not text]:
        raise DataError(
            f"{len(lacking)} slides have no report: {listed(lacking)}",
            place=_place(dataset),
            fix="add their reports, or leave these slides out of the protocol's split file",
        )
    return texts


def reports_fingerprint(dataset: Dataset) -> str:
    """SHA-256 over all slides' reports, whatever order the label table lists them in; missing ones count as empty.

    Raises:
        DataError: the dataset has no reports.
    """
    return sha256_json(sorted(zip(dataset.slides, read_reports(dataset, dataset.slides), strict=True)))


def read_reports(dataset: Dataset, slides: Sequence[str]) -> tuple[str, ...]:
    """Text of each slide's report, empty where there is none. The protocol's own; methods get :func:`reports_for`.

    Raises:
        DataError: the card names no reports, or what it names cannot be read, leads out of the dataset's folder, or has
            two reports for a slide.
    """
    where = dataset.card.reports
    if where is None:
        raise DataError(
            f"dataset {dataset.name} has no reports",
            place=f"{dataset.folder / 'card.yaml'}, field reports",
            fix="name a column (reports: {column: report}) or text files (reports: {files: reports/{slide}.txt})",
        )
    if where.files is not None:
        return _text_files(dataset, where.files, slides)
    return _column(dataset, slides, str(where.column), where.table)


def _column(dataset: Dataset, slides: Sequence[str], column: str, table: str | None) -> tuple[str, ...]:
    """Texts from a column of ``table``, or of the label table."""
    path = dataset.folder / (table or dataset.card.labels)
    if table is not None:
        _check_inside(path, dataset.folder, "the table of reports")
    rows = [row for row in read_table(path, ("slide", column)) if not is_missing(row["slide"])]
    check_spellings(
        ((row["slide"], row.line) for row in rows),
        "slide",
        place=str(path),
        fix="add distinct_ids: true to the card if they are different",
        distinct=dataset.card.distinct_ids,
    )
    lines: dict[str, Row] = {}
    for row in rows:
        if (first := lines.setdefault(spelling(row["slide"]), row)) is not row:
            raise DataError(
                f"slide {row['slide']} has two reports",
                place=f"{path}, lines {first.line} and {row.line}",
                fix="keep one line per slide",
            )
    _check_known(lines, dataset, path)
    texts = {name: "" if is_missing(row[column]) else row[column] for name, row in lines.items()}
    return tuple(texts.get(spelling(slide), "") for slide in slides)


def _check_known(lines: Mapping[str, Row], dataset: Dataset, path: Path) -> None:
    """A report of a slide that the label table does not have is of no use; one that is nearly its id is a mistake."""
    meant = {identity(slide): slide for slide in dataset.slides}
    known = set(map(spelling, dataset.slides))
    for name, row in lines.items():
        slide = meant.get(identity(row["slide"]))
        if name not in known and slide is not None and spelling(slide) not in lines:
            written, right = quoted(row["slide"], slide)
            raise DataError(
                f"the report of {written} is of no slide in the label table",
                place=f"{path}, line {row.line}, column slide",
                fix=f"write {right}, if that is meant",
            )


def _text_files(dataset: Dataset, pattern: str, slides: Sequence[str]) -> tuple[str, ...]:
    """Texts from a file each. As for slides, letter case and the Unicode form of accents in its name do not count."""
    if "\0" in pattern:
        raise DataError(
            "this cannot be the pattern of a file",
            place=f"{dataset.folder / 'card.yaml'}, field reports",
            fix="correct it",
        )
    parts = Path(pattern).parts
    fixed = next(number for number, part in enumerate(parts) if "{" in part)
    # A card that names an absolute path has declared that folder; any other stays in its own.
    inside = Path(*parts[:fixed]) if Path(pattern).is_absolute() else dataset.folder
    names: dict[Path, dict[str, str]] = {}
    texts = []
    for slide in slides:
        path = Path(dataset.folder, pattern.format(slide=slide, patient=dataset.patients[slide]))
        if not os.path.lexists(path):
            if path.parent not in names:
                names[path.parent] = _names_in(path.parent)
            path = path.with_name(names[path.parent].get(spelling(path.name), path.name))
        texts.append(_text_file(path, inside, slide) if os.path.lexists(path) else "")
    return tuple(texts)


def _names_in(folder: Path) -> dict[str, str]:
    """Spelling → name of what lies in a folder."""
    try:
        return {spelling(path.name): path.name for path in sorted(folder.iterdir(), reverse=True)}
    except OSError:
        return {}


def _text_file(path: Path, inside: Path, slide: str) -> str:
    _check_inside(path, inside, f"the report of {slide}")
    try:
        return read_text(path, limit=_LARGEST).strip()
    except (OSError, UnicodeDecodeError) as reason:
        problem = reason.strerror if isinstance(reason, OSError) else reason
        raise DataError(
            f"the report of {slide} cannot be read: {problem}", place=str(path), fix="save it as UTF-8 text"
        ) from reason


def _check_inside(path: Path, folder: Path, what: str) -> None:
    """Refuse a link (or ``..``) that leads out of ``folder``: what a dataset reads, it says."""
    try:
        real, root = path.resolve(), folder.resolve()
    except (OSError, RuntimeError) as reason:
        raise DataError(f"{what} cannot be found: {reason}", place=str(path), fix="remove the link") from reason
    if not real.is_relative_to(root):
        raise DataError(
            f"{what} leads out of the folder {folder}, to {real}",
            place=str(path),
            fix="copy it into the folder, or name the folder that holds all reports by its absolute path in the card "
            "(reports: {files: /folder/{slide}.txt})",
        )


def _place(dataset: Dataset) -> str:
    where = dataset.card.reports
    assert where is not None
    named = where.files if where.files is not None else f"{where.table or dataset.card.labels}, column {where.column}"
    return f"{dataset.folder / named}"
