"""Folders that a user names: what is wrong with one is said before any work is done."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from harness.core.errors import UsageError

_ROOM_BELOW = 400
"""Bytes that a path needs below a folder for the names of ours in it."""


def expanded(path: str | Path) -> Path:
    """``path`` with ``~`` and ``~user`` replaced; a user who does not exist is a plain name, as in a shell.

    Raises:
        UsageError: ``~``, and there is no home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        if not str(path).startswith(("~/", "~")) or str(path).partition("/")[0] != "~":
            return Path(path)
        raise UsageError(
            "there is no home folder that `~` could stand for", place=str(path), fix="write the whole path, or set HOME"
        ) from None


def writable_folder(path: Path, option: str) -> Path:
    """See that files can be written in a folder, which itself may have to be made. It leaves nothing behind.

    Args:
        path: the folder.
        option: how it was given, for the error.

    Raises:
        UsageError: it is a file, lies below one, is a link to nothing, has too long a name, or cannot be written.
    """
    new = [one for one in (path, *path.parents) if not _there(one)]
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
        if len(os.fsencode(path.absolute())) > os.pathconf(path, "PC_PATH_MAX") - _ROOM_BELOW:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
    except (OSError, ValueError) as error:
        raise _refused(path, error, option) from error
    finally:
        for one in new:
            with suppress(OSError, ValueError):
                one.rmdir()
    return path


def readable_folder(path: Path, option: str) -> Path:
    """See that a folder is there and can be listed.

    Raises:
        UsageError: it is not there, is a file or a link to nothing, or cannot be read.
    """
    try:
        with os.scandir(path):
            return path
    except (OSError, ValueError) as error:
        raise _refused(path, error, option, reading=True) from error


def _there(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:
        return False


def _refused(path: Path, error: OSError | ValueError, option: str, *, reading: bool = False) -> UsageError:
    shown = str(path) if len(str(path)) <= _SHOWN else f"{str(path)[:_SHOWN]}..."
    place = f"{option} {shown}"
    fix = f"give another folder with {option}" if option.startswith("--") else "give another folder"
    return UsageError(_problem(path, error, reading=reading), place=place, fix=fix)


_SHOWN = 300


def _problem(path: Path, error: OSError | ValueError, *, reading: bool) -> str:
    if not isinstance(error, OSError):
        return f"this cannot be a path: {error}"
    if error.errno == errno.ENAMETOOLONG:
        return "the name is too long for a file system"
    with suppress(OSError):  # of what cannot be looked at, the system's own message says enough
        for one in (*reversed(path.parents), path):
            if one.is_symlink() and not one.exists():
                return f"{one} is a link to {one.readlink()}, which does not exist"
            if one.exists() and not one.is_dir():
                return f"{one} is not a folder"
    if reading and error.errno == errno.ENOENT:
        return "there is no such folder"
    return f"the folder cannot be {'read' if reading else 'written'}: {error.strerror}"
