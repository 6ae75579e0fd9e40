"""What must not leave a machine: absolute paths, and the names of its user and host."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

LEFT_OUT = "(left out)"
LOCAL_FIELDS = frozenset({"dataset_folder"})
"""Fields that say where things are on this machine: nobody else can use them, so that they go altogether."""
_PATH = re.compile(
    r"""(?<![\w./~-])/[^\W\d]"""  # /data, /home/name/my data, but not and/or, 3/4, https://
    r"""|(?<![\w./-])~[\w.-]*/"""  # ~/data, ~name/data
    r"""|(?<!\w)[A-Za-z]:[\\/](?![\\/])"""  # C:\data
    r"""|\\\\[\w.-]+\\"""  # \\server\data
    r"""|file:/"""
)
_OS = re.compile(r"(Linux|macOS|Darwin|Windows)\W+(\d+(?:\.\d+)?)", re.ASCII)
_ORDINARY = {"root", "user", "users", "ubuntu", "runner", "admin", "localhost", "local", "build", "docker", "test"}
"""Names of users and hosts that say nothing, and are words besides."""
_SHORTEST = 4


def private_names() -> frozenset[str]:
    """Names of the user and the host, where they could be recognised in a text."""
    found: set[str] = {Path.home().name, socket.gethostname(), socket.gethostname().partition(".")[0]}
    with suppress(OSError, KeyError, ImportError):  # a user without an entry in the system's list
        found.add(getpass.getuser())
    return frozenset(name for name in found if len(name) >= _SHORTEST and name.lower() not in _ORDINARY)


def os_family(text: str) -> str:
    """The operating system with its release, ``Linux 6.1``, of what :func:`platform.platform` says.

    The rest of that text names a build, which can be that of one machine or of one institution.
    """
    found = _OS.match(text)
    return f"{found[1]} {found[2]}" if found else ""


def is_private(text: str, names: frozenset[str]) -> bool:
    """Whether a text holds an absolute path or one of ``names`` as a word."""
    if _PATH.search(text):
        return True
    return names_in(text, names)


def names_in(text: str, names: frozenset[str]) -> bool:
    """Whether a text holds one of ``names`` as a word, in upper or lower case."""
    return any(re.search(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])", text, re.IGNORECASE) for name in names)


def private_fields(value: Any, names: frozenset[str], place: str = "") -> Iterator[str]:
    """The fields of a JSON value whose text, or whose own name, is private, as ``config.features``."""
    if isinstance(value, str):
        if is_private(value, names):
            yield place
    elif isinstance(value, Mapping):
        for key, one in value.items():
            at = f"{place}.{key}" if place else str(key)
            if is_private(str(key), names):
                yield f"{place}.{LEFT_OUT}" if place else LEFT_OUT
            yield from private_fields(one, names, at)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from private_fields(one, names, f"{place}[]")


def without_private(value: Any, names: frozenset[str], left_out: Callable[[str], None], place: str = "") -> Any:
    """A JSON value with :data:`LEFT_OUT` in place of every private text, without :data:`LOCAL_FIELDS`.

    Each field of either kind is told to ``left_out``.
    """
    if isinstance(value, str):
        if not is_private(value, names):
            return value
        left_out(place)
        return LEFT_OUT
    if isinstance(value, Mapping):
        found = {}
        for key, one in value.items():
            name = str(key)
            if name in LOCAL_FIELDS:
                left_out(f"{place}.{name}" if place else name)
                continue
            if is_private(name, names):
                name = LEFT_OUT
                left_out(f"{place}.{LEFT_OUT}")
            found[name] = without_private(one, names, left_out, f"{place}.{name}" if place else name)
        return found
    if isinstance(value, list | tuple):
        return [without_private(one, names, left_out, f"{place}[]") for one in value]
    return value
