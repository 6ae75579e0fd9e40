"""Find all slides under a folder."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import DataError
from harness.datasets.slide_files import FLAT_SUFFIXES, slide_files, slide_suffixes


@dataclass(frozen=True)
class Discovered:
    """What lies in a folder.

    Attributes:
        slides: path by id, sorted by path.
        companions: thumbnails, labels, overviews and masks of these slides.
    """

    slides: dict[str, Path]
    companions: tuple[Path, ...] = ()


def discover(folder: Path) -> Discovered:
    """All slides under ``folder``, by the rule of :func:`harness.datasets.slide_files.slide_files`.

    Files are taken by suffix, whether or not they can be opened, so that a broken one is named later and not lost
    here. A folder that holds one DICOM series and nothing else is a slide with the folder's name; otherwise a series is
    a slide with the name of its first level. Hidden files are no slides. Links are followed, each folder once. The id
    of a slide is the file name without suffix; where two slides would share it, their path relative to ``folder``.

    Args:
        folder: a folder, or a single slide.

    Raises:
        DataError: no such folder, a folder that may not be listed, or no slide in it.
    """
    if not folder.exists():
        raise DataError("no such folder", place=str(folder), fix="check the path")
    if not folder.is_dir():
        return Discovered({_stem(folder): folder})
    files = slide_files(folder, refuse=True)
    paths = sorted(file.path for file in files if not file.companion)
    if not paths:
        suffixes = " ".join((*slide_suffixes(), ".dcm", *FLAT_SUFFIXES))
        raise DataError("no slide found", place=str(folder), fix=f"slides end in one of {suffixes}")
    return Discovered(
        dict(zip(_ids(paths, folder), paths, strict=True)), tuple(file.path for file in files if file.companion)
    )


def discover_slides(folder: Path) -> dict[str, Path]:
    """The slides alone of :func:`discover`."""
    return discover(folder).slides


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
