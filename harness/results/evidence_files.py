"""One record, one plan of a study: read from its file and checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import DataError, shown
from harness.core.hashing import sha256_file
from harness.core.reading import read_json
from harness.results.names import is_inside, safe_name
from harness.results.record import Record
from harness.results.schema import StudySchema, check
from harness.results.staging import RECORD

STUDY = "study.json"


def read_record(folder: Path) -> Record:
    """The record of a unit.

    Raises:
        DataError: it is absent, damaged, or that of another unit.
    """
    path = folder / RECORD
    fix = "run the unit again: the same bench run command does"
    try:
        value = read_json(path)
    except OSError as error:
        raise DataError(f"there is no record: {error.strerror}", place=str(path), fix=fix) from error
    except ValueError as error:
        raise DataError(f"the record is cut short or damaged: {error}", place=str(path), fix=fix) from error
    record = Record.from_dict(value, place=str(path))
    if safe_name(record.unit_id) != folder.name:
        raise DataError(
            f"damaged: unit_id is {shown(record.unit_id)}: the record is in the folder of another unit",
            place=str(path),
            fix=fix,
        )
    return record


def read_plan(folder: Path) -> dict[str, Any]:
    """study.json; raises OSError, ValueError or DataError where it is absent or damaged."""
    plan = check(StudySchema, read_json(folder / STUDY), what="study", place=str(folder / STUDY))
    if safe_name(plan["study_id"]) != folder.name:
        raise ValueError(f"it is that of study {shown(plan['study_id'])}")
    return plan


def altered_files(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Those of ``files``, name → SHA-256, that are missing in a folder or have another hash there."""
    return [
        name
        for name, digest in files.items()
        # A name that leads elsewhere is not looked at: no record of ours has one.
        if not is_inside(name) or hash_of(folder / name) != digest
    ]


def hash_of(path: Path) -> str | None:
    """SHA-256 of a file; None where there is none, or none any more: a writer may take it away between two looks."""
    try:
        return sha256_file(path) if path.is_file() else None
    except FileNotFoundError:
        return None


def reason(error: Exception) -> str:
    """Why something could not be read, in words."""
    return error.problem if isinstance(error, DataError) else str(getattr(error, "strerror", None) or error)


def folders_in(parent: Path) -> list[Path]:
    """The folders in a folder, by name; none where it is missing."""
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []
