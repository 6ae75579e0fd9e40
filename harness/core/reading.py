"""Reading files that somebody else may have written: regular files of a sensible size, and nothing else.

A named pipe would be waited for without end, a device never ends, and a file of gigabytes where a page of text belongs
fills the memory. All of these are an :class:`OSError` here, so that callers treat them as any file that cannot be read.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

MEBIBYTE = 1 << 20
_TEXT_LIMIT = 256 * MEBIBYTE


def open_regular(path: Path, *, limit: int | None = None) -> BinaryIO:
    """Open a regular file for reading bytes. Never waits for a writer.

    Args:
        path: the file; links are followed.
        limit: most bytes that it may have; None for any number.

    Raises:
        OSError: it does not exist, cannot be opened, is a folder, named pipe, socket or device, or is too large.
    """
    # Without O_NONBLOCK, opening a named pipe waits until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            folder = stat.S_ISDIR(status.st_mode)
            raise OSError(errno.EISDIR if folder else errno.EINVAL, f"it is {_kind(status.st_mode)}", str(path))
        if limit is not None and status.st_size > limit:
            raise OSError(
                errno.EFBIG, f"it has {size_text(status.st_size)}, and at most {size_text(limit)} are read", str(path)
            )
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: Path, *, limit: int = _TEXT_LIMIT) -> bytes:
    """The content of a regular file of at most ``limit`` bytes; raises OSError as :func:`open_regular`."""
    with open_regular(path, limit=limit) as file:
        content = file.read(limit + 1)
    if len(content) > limit:  # it has grown since it was opened, or its size is not known beforehand (/proc)
        raise OSError(errno.EFBIG, f"it has more than {size_text(limit)}", str(path))
    return content


def read_text(path: Path, *, limit: int = _TEXT_LIMIT) -> str:
    """The text of a regular UTF-8 file, without a byte order mark.

    Raises:
        OSError: as :func:`open_regular`.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_bytes(path, limit=limit).decode("utf-8-sig")


def read_json(path: Path, *, limit: int = 64 * MEBIBYTE) -> Any:
    """The value in a JSON file.

    Raises:
        OSError: as :func:`open_regular`.
        ValueError: it is not UTF-8 or not JSON, is nested too deeply, or holds a number of thousands of digits.
    """
    return parse_json(read_text(path, limit=limit))


def parse_json(text: str | bytes) -> Any:
    """The value that a JSON text stands for; ValueError where it is none, or is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def check_expansion(unpacked: int, packed: int) -> None:
    """Refuse data that unpacks to far more than real data does, before memory is taken for it.

    Measured features and images shrink to a tenth at the best; zeros shrink to a thousandth.

    Args:
        unpacked: bytes in memory.
        packed: bytes in the file.

    Raises:
        OSError: more than 64 MiB, and more than a hundred times the file.
    """
    if unpacked > max(64 * MEBIBYTE, 100 * packed):
        raise OSError(errno.EFBIG, f"its {size_text(packed)} would unpack to {size_text(unpacked)}")


def unpacked_size(path: Path) -> int | None:
    """Bytes that the members of a zip archive unpack to, as its directory says; None for a file of another kind.

    Raises:
        OSError: it cannot be read.
        zipfile.BadZipFile: its directory is damaged.
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist())


def size_text(size: float) -> str:
    """A number of bytes for people: ``12 bytes``, ``3.4 MB`` (powers of ten)."""
    for power, unit in ((9, "GB"), (6, "MB"), (3, "kB")):
        if size >= 10**power:
            return f"{size / 10**power:.1f} {unit}"
    return f"{size:.0f} bytes"


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return f"{kinds.get(stat.S_IFMT(mode), 'something else')}, not a file"
