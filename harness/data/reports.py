"""Pathology reports: one text per slide, from a column or from text files that the card names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from harness.errors import DataError, LeakError
from harness.hashing import sha256_json
from harness.protocol.dataset import Dataset
from harness.protocol.table import listed, read_table


def reports_for(dataset: Dataset, slides: Sequence[str], *, sealed: Collection[str] = ()) -> tuple[str, ...]:
    """The report of each slide, in this order. For training and validation slides only.

    A report usually holds the diagnosis: that of a test slide is closed like its label.

    Args:
        dataset: the dataset.
        slides: slide ids.
        sealed: slides whose reports stay closed: the test slides of the fold. So are those of their patients.

    Raises:
        LeakError: one of ``slides``, or another slide of its patient, is sealed.
        DataError: the dataset has no reports, or not of all these slides.
    """
    closed = {dataset.patients[slide] for slide in sealed}
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
        DataError: the card names no reports, or what it names cannot be read.
    """
    where = dataset.card.reports
    if where is None:
        raise DataError(
            f"dataset {dataset.name} has no reports",
            place=f"{dataset.folder / 'card.yaml'}, field reports",
            fix="name a column (reports: {column: report}) or text files (reports: {files: reports/{slide}.txt})",
        )
    if where.files is not None:
        return tuple(_text_file(dataset, where.files, slide) for slide in slides)
    column = str(where.column)
    path = dataset.folder / (where.table or dataset.card.labels)
    texts = {row["slide"]: row[column] for row in read_table(path, ("slide", column))}
    return tuple(texts.get(slide, "") for slide in slides)


def _text_file(dataset: Dataset, pattern: str, slide: str) -> str:
    path = Path(dataset.folder, pattern.format(slide=slide, patient=dataset.patients[slide]))
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as reason:
        raise DataError(
            f"the report of {slide} cannot be read: {reason}", place=str(path), fix="save it as UTF-8 text"
        ) from reason


def _place(dataset: Dataset) -> str:
    where = dataset.card.reports
    assert where is not None
    named = where.files if where.files is not None else f"{where.table or dataset.card.labels}, column {where.column}"
    return f"{dataset.folder / named}"
