"""One listing of a data root, compared without regard to letter case, and the patterns of a card against it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_POINTERS = (b"version https://git-lfs", b"/annex/objects/", b"../.git/annex", b".git/annex")
_POINTER_BYTES = 1024


@dataclass(frozen=True)
class Listing:
    """All files below a folder.

    Attributes:
        root: the folder.
        files: case-folded relative path with ``/`` → the relative paths as they are written (several where they
            differ by letter case alone).
    """

    root: Path
    files: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Match:
    """A file that fits a pattern: the slide id that was read from its name, and its path."""

    slide: str
    path: Path


def list_files(root: Path) -> Listing:
    """Every file below ``root`` in one walk. Hidden names are skipped: copies under way, resource forks, caches.

    Links to folders are followed, each folder once.
    """
    files: dict[str, list[str]] = {}
    for path in sorted(_walk(root)):
        files.setdefault(path.casefold(), []).append(path)
    return Listing(root, {folded: tuple(paths) for folded, paths in files.items()})


def _walk(root: Path) -> Iterator[str]:
    seen = set()
    for folder, folders, files in os.walk(root, followlinks=True):
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
        pattern: relative path with one ``{slide}``; see :class:`harness.protocol.card.SlidesSource`.
        known: case-folded slide ids. Where a name can be read in two ways, the one that is known is taken.
        below: look in any folder below the root too.

    Yields:
        Matches; the id is case-folded. A pattern ending in ``/*.dcm`` gives the folder, once.
    """
    folders = set()
    for folded, written in listing.files.items():
        slide = _slide_in(folded, pattern.casefold(), known, below)
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
    longest = None
    for greedy in (True, False):
        if hit := _compiled(pattern, greedy, below).fullmatch(path):
            if hit["slide"] in known:
                return hit["slide"]
            longest = longest or hit["slide"]
    return longest


@cache
def _compiled(pattern: str, greedy: bool, below: bool) -> re.Pattern[str]:
    """A pattern as a regular expression over case-folded paths."""
    translated = {
        "**/": "(?:.*/)?",
        "*": "[^/]*",
        "?": "[^/]",
        "{slide}": "(?P<slide>[^/]+)" if greedy else "(?P<slide>[^/]+?)",
    }
    pieces = re.split(r"(\*\*/|\*|\?|\{slide\})", pattern)
    body = "".join(translated.get(piece) or re.escape(piece) for piece in pieces)
    return re.compile("(?:.*/)?" + body if below else body, re.DOTALL)


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
