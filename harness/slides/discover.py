"""Find all slides under a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from harness.errors import DataError
from harness.slides.dicom import series_in

_OPENSLIDE = {".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".czi", ".dcm"}
SLIDE_SUFFIXES = frozenset(_OPENSLIDE | {".jpg", ".jpeg", ".png"})
"""Suffixes of what OpenSlide may open, and of flat images."""

_FLAT = {".jpg", ".jpeg"}
_INDEX_OF_JPEGS = {".vms", ".vmu"}


def discover_slides(folder: Path) -> dict[str, Path]:
    """All slides under ``folder``, by id.

    Files are taken by suffix, whether or not they can be opened, so that a broken one is named later and not lost
    here. A folder of DICOM files is one slide (one per series). Hidden files, the data folders of MRXS slides and
    the JPEG parts of VMS slides are no slides. Links are followed, each folder once.

    Args:
        folder: a folder, or a single slide.

    Returns:
        Path by id, sorted by path. The id is the file name without suffix; where two slides would share it, their
        path relative to ``folder``.

    Raises:
        DataError: no such folder, a folder that may not be listed, or no slide in it.
    """
    if not folder.exists():
        raise DataError("no such folder", place=str(folder), fix="check the path")
    paths = sorted(_walk(folder)) if folder.is_dir() else [folder]
    if not paths:
        raise DataError(
            "no slide found", place=str(folder), fix=f"slides end in one of {' '.join(sorted(SLIDE_SUFFIXES))}"
        )
    return dict(zip(_ids(paths, folder), paths, strict=True))


def _walk(root: Path) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()

    def refuse(problem: OSError) -> None:
        raise DataError(
            f"the folder cannot be listed: {problem.strerror}", place=str(problem.filename), fix="check its permissions"
        ) from problem

    for place, folders, names in os.walk(root, followlinks=True, onerror=refuse):
        stat = Path(place).stat()
        if (stat.st_dev, stat.st_ino) in seen:
            folders.clear()
            continue
        seen.add((stat.st_dev, stat.st_ino))
        files = [Path(place, name) for name in names if not name.startswith(".")]
        parts = {file.stem for file in files if file.suffix.lower() == ".mrxs"}
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in parts)
        yield from _slides_of(Path(place), files)


def _slides_of(folder: Path, files: list[Path]) -> Iterator[Path]:
    suffixes = {file.suffix.lower() for file in files}
    for file in files:
        suffix = file.suffix.lower()
        part_of_vms = suffix in _FLAT and bool(suffixes & _INDEX_OF_JPEGS)
        if suffix in SLIDE_SUFFIXES and suffix != ".dcm" and not part_of_vms:
            yield file
    if ".dcm" in suffixes:
        groups = list(series_in(folder).values())
        yield from [folder] if len(groups) == 1 else [group[0] for group in groups]


def _ids(paths: list[Path], root: Path) -> list[str]:
    stems = [_stem(path) for path in paths]
    # Ids become file names, which some systems compare without regard to case.
    shared = {stem for stem, count in Counter(stem.lower() for stem in stems).items() if count > 1}
    relative = [path.relative_to(root).as_posix() if path != root else path.name or _stem(path) for path in paths]
    longer = [
        stem if stem.lower() not in shared else name[: len(name) - (len(path.name) - len(stem))]
        for stem, name, path in zip(stems, relative, paths, strict=True)
    ]
    doubled = {name for name, count in Counter(name.lower() for name in longer).items() if count > 1}
    return [name if long.lower() in doubled else long for long, name in zip(longer, relative, strict=True)]


def _stem(path: Path) -> str:
    if path.is_dir():
        return path.name or path.resolve().name
    stem = path.stem
    return stem[:-4] if stem.lower().endswith(".ome") and len(stem) > 4 else stem
