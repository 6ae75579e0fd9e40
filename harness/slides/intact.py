"""Files that cannot be slides, told by their first bytes and by their size, before any decoder sees them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.core.errors import DataError

_TIFF_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_MOST_PAGES = 10_000


def check_present(path: Path) -> None:
    """Refuse what is not there, is empty, or only stands for a file that was not fetched.

    Raises:
        DataError: naming which of these it is.
    """
    if not path.exists():
        if path.is_symlink():
            raise DataError(
                "the file is a link that leads nowhere",
                place=str(path),
                fix="fetch its content (git annex get), or mend the link",
            )
        raise DataError("no such file", place=str(path), fix="check the path and the data root")
    if path.is_dir():
        return
    head = _head(path)
    if not head:
        raise DataError("the file is empty", place=str(path), fix="download it again")
    if head.startswith(b"version https://git-lfs"):
        raise DataError("the file is a git-lfs pointer, not the slide", place=str(path), fix="run git lfs pull")
    if head.startswith(b"/annex/objects/"):
        raise DataError("the file is a git-annex pointer, not the slide", place=str(path), fix="run git annex get")
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise DataError(
            "the file is a web page, not a slide",
            place=str(path),
            fix="download it again; the server may ask for a sign-in",
        )


def check_whole(path: Path) -> None:
    """Refuse a TIFF (SVS, NDPI, ...) whose own table of tiles points beyond the end of the file.

    A few tiles may read well in a file that lost its end in a download; the table tells in milliseconds. Other
    formats pass.

    Raises:
        DataError: the file is shorter than its table says.
    """
    if not path.is_file():
        return
    needed, size = _last_byte(path), path.stat().st_size
    if needed > size:
        raise DataError(
            f"the file is truncated: {size} bytes are there, its tiles reach to byte {needed}",
            place=str(path),
            fix="download it again",
        )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as problem:
        raise DataError(
            f"the file cannot be read: {problem.strerror or problem}", place=str(path), fix="check its permissions"
        ) from problem


def _last_byte(path: Path) -> int:
    with opened_tiff(path) as tiff:
        if tiff is None:
            return 0
        try:
            return max(
                (
                    offset + count
                    for page in pages_of(tiff)
                    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
                    if count
                ),
                default=0,
            )
        except Exception:
            return 0


def pages_of(tiff: Any) -> list[Any]:
    """The pages of an open TIFF, as far as its chain of pages leads on.

    The chain of a damaged file may lead back to an earlier page, which tifffile would follow without end.
    """
    pages: list[Any] = []
    seen: set[int] = set()
    for page in tiff.pages:
        if page.offset in seen or len(pages) == _MOST_PAGES:
            break
        seen.add(page.offset)
        pages.append(page)
    return pages


@contextmanager
def opened_tiff(path: Path) -> Iterator[Any]:
    """The TIFF at ``path`` as tifffile sees it; None for what is no TIFF, or cannot be read as one.

    tifffile logs what it finds odd in vendor files; whether those can be read is for OpenSlide to say.
    """
    import tifffile

    if not path.is_file() or not _head(path).startswith(_TIFF_MAGIC):
        yield None
        return
    logger = logging.getLogger("tifffile")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        try:
            tiff = tifffile.TiffFile(path)
        except Exception:
            yield None
            return
        with tiff:
            yield tiff
    finally:
        logger.setLevel(level)
