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
_PATH = re.compile(
    r"""(?<![\w.:/~-])(?:~[\w.-]*)?/(?:[^\s/'",;:()\[\]{}<>]+/)+[^\s'",;:()\[\]{}<>]*"""  # /home/name/data, ~/data
    r"""|(?<!\w)[A-Za-z]:[\\/][^\s'"]+"""  # C:\data
    r"""|\\\\[\w.-]+\\[^\s'"]+"""  # \\server\data
    r"""|file://[^\s'"]+"""
    r"""|(?<![\w.:/~-])/(?:home|root|Users|mnt|media|data|scratch|tmp|var|srv|opt|work)\b[^\s'",;]*"""
)
_ORDINARY = {"root", "user", "users", "ubuntu", "runner", "admin", "localhost", "local", "build", "docker", "test"}
"""Names of users and hosts that say nothing, and are words besides."""
_SHORTEST = 4


def private_names() -> frozenset[str]:
    """Names of the user and the host, where they could be recognised in a text."""
    found: set[str] = {Path.home().name, socket.gethostname(), socket.gethostname().partition(".")[0]}
    with suppress(OSError, KeyError, ImportError):  # a user without an entry in the system's list
        found.add(getpass.getuser())
    return frozenset(name for name in found if len(name) >= _SHORTEST and name.lower() not in _ORDINARY)


def is_private(text: str, names: frozenset[str]) -> bool:
    """Whether a text holds an absolute path or one of ``names`` as a word."""
    if _PATH.search(text):
        return True
    return any(re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", text) for name in names)


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
    """A JSON value with :data:`LEFT_OUT` in place of every private text; each field is told to ``left_out``."""
    if isinstance(value, str):
        if not is_private(value, names):
            return value
        left_out(place)
        return LEFT_OUT
    if isinstance(value, Mapping):
        found = {}
        for key, one in value.items():
            name = str(key)
            if is_private(name, names):
                name = LEFT_OUT
                left_out(f"{place}.{LEFT_OUT}")
            found[name] = without_private(one, names, left_out, f"{place}.{name}" if place else name)
        return found
    if isinstance(value, list | tuple):
        return [without_private(one, names, left_out, f"{place}[]") for one in value]
    return value
