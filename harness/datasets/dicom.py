"""Slides in DICOM: one slide is a series, whose levels are files side by side in one folder."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.core.errors import DataError

_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_PICTURES = {"LABEL", "OVERVIEW", "THUMBNAIL"}
_IMAGE_TYPE, _SOP_CLASS, _SERIES = 0x00080008, 0x00080016, 0x0020000E


@dataclass(frozen=True)
class Instance:
    """A DICOM file.

    Attributes:
        path: the file.
        series: its series instance UID; of what has none, the path, so that it stands alone.
        picture: ``LABEL``, ``OVERVIEW`` or ``THUMBNAIL`` of a slide; empty for anything else.
        problem: why it is no part of a whole slide image; empty where it is.
    """

    path: Path
    series: str
    picture: str
    problem: str

    @property
    def is_level(self) -> bool:
        """Whether it is a level of a slide."""
        return not self.problem and not self.picture


def dicom_files(folder: Path) -> list[Path]:
    """The ``.dcm`` files of a folder, by name."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == ".dcm" and not file.name.startswith("."))


def read_instance(file: Path) -> Instance:
    """What a file is, by its header."""
    try:
        stat = file.stat()
    except OSError as problem:
        return Instance(file, str(file), "", f"it cannot be read: {problem.strerror or problem}")
    return _read(file, stat.st_size, stat.st_mtime_ns)


def series_in(folder: Path) -> list[list[Instance]]:
    """The files of a folder by series, in the order of their first file; what is broken stands alone."""
    groups: dict[str, list[Instance]] = {}
    for file in dicom_files(folder):
        instance = read_instance(file)
        groups.setdefault(instance.series, []).append(instance)
    return list(groups.values())


def slides_in(folder: Path) -> list[list[Path]]:
    """The levels of each slide in a folder, and each file that is no part of a slide by itself.

    Labels, overviews and thumbnails are left out. Files of other kinds are in, so that they are refused by name.
    """
    found: list[list[Path]] = []
    for group in series_in(folder):
        found += [[instance.path] for instance in group if instance.problem]
        if levels := [instance.path for instance in group if instance.is_level]:
            found.append(levels)
    return sorted(found)


def levels_of(path: Path) -> list[Path]:
    """The files of the slide at ``path``: its levels.

    Args:
        path: a folder of one series, or any one file of the series.

    Raises:
        DataError: the folder holds no slide or several, or the file is no part of one.
    """
    return _only_slide(path) if path.is_dir() else _slide_of(path)


def with_levels(paths: Iterable[Path]) -> set[Path]:
    """The paths, and for each DICOM file among them the other levels of its slide."""
    found = set(paths)
    for path in tuple(found):
        if path.suffix.lower() == ".dcm" and path.is_file() and read_instance(path).is_level:
            found.update(_slide_of(path))
    return found


def _slide_of(file: Path) -> list[Path]:
    instance = read_instance(file)
    if instance.problem:
        raise DataError(
            f"the file is no whole slide image: {instance.problem}", place=str(file), fix="leave it out of the folder"
        )
    levels = [other.path for other in map(read_instance, dicom_files(file.parent)) if other.series == instance.series]
    levels = [other for other in levels if read_instance(other).is_level] or ([file] if instance.is_level else [])
    if not levels:
        raise DataError(
            f"the file is the {instance.picture.lower()} of a slide whose levels are not beside it",
            place=str(file),
            fix="put the other files of its series into the same folder, or leave it out",
        )
    return levels


def _only_slide(folder: Path) -> list[Path]:
    groups = [[instance for instance in group if instance.is_level] for group in series_in(folder)]
    slides = [group for group in groups if group]
    if not slides:
        others = [f"{i.path.name}: {i.problem or i.picture}" for group in series_in(folder) for i in group]
        words = f": {'; '.join(others[:3])}" if others else ""
        raise DataError(
            f"the folder holds no DICOM slide{words}", place=str(folder), fix="give a slide file or a DICOM folder"
        )
    if len(slides) > 1:
        firsts = ", ".join(group[0].path.name for group in slides)
        raise DataError(
            f"the folder holds {len(slides)} DICOM series",
            place=str(folder),
            fix=f"give one file of the slide that you mean ({firsts}), or put each series into a folder of its own",
        )
    return [instance.path for instance in slides[0]]


@lru_cache(maxsize=100_000)
def _read(file: Path, size: int, modified: int) -> Instance:
    """Read the header as far as the series UID; size and time are there so that a changed file is read again."""
    from pydicom.filereader import read_partial

    try:
        # Real files hold values that the standard forbids, which pydicom warns of; none of them matters here.
        with warnings.catch_warnings(), file.open("rb") as stream:
            warnings.simplefilter("ignore")
            header = read_partial(
                stream,
                stop_when=lambda tag, vr, length: tag > _SERIES,
                specific_tags=[_IMAGE_TYPE, _SOP_CLASS, _SERIES],
            )
            kind, series = header.get("SOPClassUID"), str(header.get("SeriesInstanceUID") or "")
            image_type = [str(value) for value in header.get("ImageType") or ()]
    except Exception as problem:
        return Instance(file, str(file), "", f"its DICOM header cannot be read ({type(problem).__name__})")
    if kind != _WHOLE_SLIDE:
        name = getattr(kind, "name", "") or "of no stated kind"
        return Instance(file, series or str(file), "", f"it is DICOM, but {name}")
    if not series:
        return Instance(file, str(file), "", "its DICOM header names no series")
    picture = next((value for value in image_type[2:3] if value in _PICTURES), "")
    return Instance(file, series, picture, "")
