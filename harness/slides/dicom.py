"""Slides in DICOM: one slide is a series, whose levels are files side by side in one folder."""

from __future__ import annotations

from pathlib import Path

from harness.errors import DataError

_SERIES_TAG = b"\x20\x00\x0e\x00UI"
_HEADER = 1 << 18


def dicom_files(folder: Path) -> list[Path]:
    """The ``.dcm`` files of a folder, by name."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == ".dcm" and not file.name.startswith("."))


def series_uid(file: Path) -> str:
    """The series instance UID (0020,000E) in the header of a file; empty where there is none.

    Only the explicit little-endian form is looked for: the DICOM whole slide objects in the wild have it.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEADER)
    except OSError:
        return ""
    if head[128:132] != b"DICM" or (at := head.find(_SERIES_TAG)) < 0:
        return ""
    start = at + len(_SERIES_TAG) + 2
    length = int.from_bytes(head[start - 2 : start], "little")
    return head[start : start + length].rstrip(b"\x00 ").decode("ascii", "replace")


def series_in(folder: Path) -> dict[str, list[Path]]:
    """The files of a folder by series, the series in the order of their first file."""
    groups: dict[str, list[Path]] = {}
    for file in dicom_files(folder):
        groups.setdefault(series_uid(file), []).append(file)
    return groups


def siblings(file: Path) -> list[Path]:
    """All files of the slide that ``file`` belongs to, itself among them."""
    uid = series_uid(file)
    return [other for other in dicom_files(file.parent) if series_uid(other) == uid] or [file]


def only_series(folder: Path) -> list[Path]:
    """The files of the one slide in a folder.

    Raises:
        DataError: the folder holds no DICOM file, or more than one series.
    """
    groups = series_in(folder)
    if not groups:
        raise DataError("the folder holds no DICOM slide", place=str(folder), fix="give a slide file or a DICOM folder")
    if len(groups) > 1:
        firsts = ", ".join(files[0].name for files in groups.values())
        raise DataError(
            f"the folder holds {len(groups)} DICOM series",
            place=str(folder),
            fix=f"give one file of the slide that you mean: {firsts}",
        )
    return next(iter(groups.values()))
