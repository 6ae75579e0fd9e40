"""One listing of a data root, and the patterns of a card against it.

Names are compared by :func:`harness.datasets.identity.spelling`: letter case and the Unicode form of accents do not
count, everything else does. A file has the id that a pattern reads from its name, not one that its name starts with.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.core.errors import DataError
from harness.datasets.identity import identity, spelling

_POINTERS = (b"version https://git-lfs", b"/annex/objects/", b"../.git/annex", b".git/annex")
_POINTER_BYTES = 1024
_MOST_HINTS = 3
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@dataclass(frozen=True)
class Listing:
    """All files below a folder.

    Attributes:
        root: the folder.
        files: spelling of the relative path with ``/`` → the relative paths as they are written (several where they
            differ by letter case alone).
    """

    root: Path
    files: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Match:
    """A file that fits a pattern: the slide id that was read from its name, and its path."""

    slide: str
    path: Path


def list_files(root: Path, *, refuse: bool = False) -> Listing:
    """Every file below ``root`` in one walk. Hidden names are skipped: copies under way, resource forks, caches.

    Links to folders are followed, each folder once.

    Raises:
        DataError: a folder may not be listed, and ``refuse`` is set; it is passed over otherwise.
    """
    files: dict[str, list[str]] = {}
    for path in sorted(_walk(root, _refuse if refuse else None)):
        files.setdefault(spelling(path), []).append(path)
    return Listing(root, {folded: tuple(paths) for folded, paths in files.items()})


def _refuse(problem: OSError) -> None:
    raise DataError(
        f"the folder cannot be listed: {problem.strerror}", place=str(problem.filename), fix="check its permissions"
    ) from problem


def _walk(root: Path, onerror: Callable[[OSError], None] | None) -> Iterator[str]:
    seen = set()
    for folder, folders, files in os.walk(root, followlinks=True, onerror=onerror):
        about = Path(folder).stat()
        if (about.st_dev, about.st_ino) in seen:
            folders.clear()
            continue
        seen.add((about.st_dev, about.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = Path(folder).relative_to(root)
        yield from ((relative / name).as_posix() for name in files if not name.startswith("."))


def match(listing: Listing, pattern: str, known: Collection[str], *, below: bool = False) -> Iterator[Match]:
    """Files that fit ``pattern``.

    Args:
        listing: the files.
        pattern: relative path with one ``{slide}``; see :class:`harness.datasets.card.SlidesSource`.
        known: spellings of slide ids. Where a name can be read in several ways, the longest id that is known is taken.
        below: look in any folder below the root too.

    Yields:
        Matches; the id is a spelling. A pattern ending in ``/*.dcm`` gives the folder, once.
    """
    folders = set()
    for folded, written in listing.files.items():
        slide = _slide_in(folded, spelling(pattern), known, below)
        if slide is None:
            continue
        for path in written:
            found = listing.root / path
            if pattern.endswith("/*.dcm"):
                if found.parent in folders:
                    continue
                folders.add(found.parent)
                found = found.parent
            yield Match(slide, found)


def _slide_in(path: str, pattern: str, known: Collection[str], below: bool) -> str | None:
    whole, before, after = _compiled(pattern, below)
    if not whole.fullmatch(path):
        return None
    starts = [start for start in range(len(path)) if before.fullmatch(path, 0, start)]
    ends = [end for end in range(len(path), 0, -1) if after.fullmatch(path, end)]
    readings = [path[start:end] for start in starts for end in ends if end > start and "/" not in path[start:end]]
    return max((name for name in readings if name in known), key=len, default=max(readings, key=len, default=None))


@cache
def _compiled(pattern: str, below: bool) -> tuple[re.Pattern[str], ...]:
    """A pattern as a regular expression over spellings of paths: whole, and its parts before and behind ``{slide}``."""
    translated = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]", "{uuid}": _UUID}
    before, after = (
        "".join(translated.get(piece) or re.escape(piece) for piece in re.split(r"(\*\*/|\*|\?|\{uuid\})", half))
        for half in pattern.split("{slide}")
    )
    before = f"(?:.*/)?{before}" if below else before
    return tuple(re.compile(text, re.DOTALL) for text in (f"{before}[^/]+{after}", before, after))


def near_files(missing: Iterable[str], files: Mapping[str, Path]) -> str:
    """Files that nearly have the id of a slide without a file, in a sentence with a space behind it; else nothing.

    Args:
        missing: ids of slides.
        files: id → file, of the files that belong to no slide without one.
    """
    hints = []
    for slide in list(missing)[:_MOST_HINTS]:
        wanted = spelling(slide)
        longer = [
            name for name in files if spelling(name).startswith(wanted) and not spelling(name)[len(wanted)].isalnum()
        ]
        if hits := [name for name in files if identity(name) == identity(slide)] or longer:
            hints.append(f"{slide} has no file; {files[hits[0]].name} has the id {hits[0]}. ")
    return "".join(hints)


def defect(path: Path) -> str | None:
    """Why a file that is there cannot be a slide: ``empty file``, a pointer to large-file storage, or a dead link."""
    try:
        size = path.stat().st_size
        if path.is_dir():
            return None
        if size == 0:
            return "empty file"
        if size <= _POINTER_BYTES:
            with path.open("rb") as file:
                start = file.read(_POINTER_BYTES)
            if any(mark in start[:200] for mark in _POINTERS):
                return "pointer to large-file storage, the content was not fetched"
    except FileNotFoundError:
        return "link to a file that is not there"
    except OSError as reason:
        return f"cannot be read: {reason.strerror}"
    return None
