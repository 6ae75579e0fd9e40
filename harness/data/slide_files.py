"""Slides in a folder that no card describes yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.data.listing import defect, list_files
from harness.errors import DataError, UsageError
from harness.protocol.table import listed
from harness.suggest import nearest

SLIDE_SUFFIXES = (".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".bif", ".svslide", ".vms", ".vmu", ".czi")
FLAT_SUFFIXES = (".png", ".jpg", ".jpeg")
"""Images without resolution and pyramid."""


@dataclass(frozen=True)
class SlideFile:
    """A file that may be a slide.

    Attributes:
        name: its name without suffix; of a DICOM slide, the name of its folder.
        pattern: card pattern that finds it: ``**/{slide}.svs``.
        path: the file, or the DICOM folder.
        flat: whether it is a flat image.
    """

    name: str
    pattern: str
    path: Path
    flat: bool = False


def slide_files(folder: Path) -> list[SlideFile]:
    """Every file below ``folder`` that has a slide's suffix, and every folder of DICOM files.

    Raises:
        UsageError: there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError("there is no such folder", place=f"--slides {folder}", fix="give the folder with the slides")
    found: dict[Path, SlideFile] = {}
    for paths in list_files(folder).files.values():
        for relative in paths:
            name = PurePosixPath(relative)
            suffix = name.suffix.lower()
            path = folder / relative
            if suffix in SLIDE_SUFFIXES + FLAT_SUFFIXES:
                found[path] = SlideFile(name.stem, f"**/{{slide}}{suffix}", path, suffix in FLAT_SUFFIXES)
            elif suffix == ".dcm" and len(name.parts) > 1:
                found[path.parent] = SlideFile(path.parent.name, "**/{slide}/*.dcm", path.parent)
    return sorted(found.values(), key=lambda file: file.path)


def without_suffix(name: str) -> str:
    """A slide name as it may stand in a table, without the suffix of its file."""
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in SLIDE_SUFFIXES + FLAT_SUFFIXES else name


def assign(slides: Sequence[str], files: Sequence[SlideFile], *, partial: bool) -> dict[str, SlideFile]:
    """The file of each slide: the one of its name (letter case does not count), else the one called ``<name>.<more>``.

    A flat image counts only for a slide that has no other file: beside slides it is a thumbnail.

    Args:
        slides: slide ids.
        files: what lies in the folder.
        partial: leave out slides without a file and files without a slide, instead of refusing them.

    Raises:
        DataError: slides without a file, files without a slide, two files for a slide, or a file that is empty or a
            mere pointer.
    """
    by_name: dict[str, list[SlideFile]] = {}
    for file in files:
        by_name.setdefault(file.name.casefold(), []).append(file)
    chosen = {slide: hit for slide in slides if (hit := _choose(slide, by_name))}
    missing = [slide for slide in slides if slide not in chosen]
    if missing and not (partial and chosen):
        raise _without_file(missing, len(slides), files)
    used = {file.path for file in chosen.values()}
    any_flat = any(file.flat for file in chosen.values())
    spare = [file for file in files if file.path not in used and (any_flat or not file.flat)]
    if spare and not partial:
        raise DataError(
            f"{len(spare)} slides in the folder are not in the table: {listed(file.name for file in spare)}",
            place=str(spare[0].path.parent),
            fix="add them to the table, or leave them out with --partial",
        )
    broken = {slide: reason for slide, file in chosen.items() if (reason := defect(file.path))}
    if broken:
        shown = listed([f"{slide} ({reason})" for slide, reason in broken.items()], most=3)
        first = chosen[next(iter(broken))].path
        raise DataError(f"{len(broken)} slides cannot be used: {shown}", place=str(first), fix="fetch the files anew")
    return chosen


def _choose(slide: str, by_name: Mapping[str, Sequence[SlideFile]]) -> SlideFile | None:
    folded = slide.casefold()
    longer = [name for name in by_name if name.startswith(f"{folded}.")]
    hits = list(by_name.get(folded, ())) or [
        SlideFile(file.name, file.pattern.replace("{slide}", "{slide}.*"), file.path, file.flat)
        for name in longer
        for file in by_name[name]
    ]
    hits = [file for file in hits if not file.flat] or hits
    if len(hits) > 1:
        raise DataError(
            f"slide {slide} has {len(hits)} files: {listed([str(file.path) for file in hits], most=3)}",
            place=f"slide {slide}",
            fix="leave one of them in the folder, or write longer names into the table",
        )
    return hits[0] if hits else None


def _without_file(missing: Sequence[str], total: int, files: Sequence[SlideFile]) -> DataError:
    names = [file.name for file in files]
    hits = nearest(missing[0], names, count=1)
    hint = f"did you mean {hits[0]!r} for {missing[0]!r}? " if hits else ""
    return DataError(
        f"{len(missing)} of {total} slides of the table have no file: {listed(missing)}",
        place=f"--slides, {len(files)} slides there: {listed(names, most=3) or 'none'}",
        fix=f"{hint}Put the files there, correct the names, or leave them out with --partial",
    )
