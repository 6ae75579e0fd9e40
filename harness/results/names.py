"""File names from any text, and which names of files are harmless."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

_LONGEST = 120
_PASSWORD = re.compile(r"(//[^/@:\s]*:)[^/@\s]*@")


def safe_name(text: str) -> str:
    """A file name for ``text``: the text itself where that is harmless, else a cleaned one with a short hash.

    Different texts give different names, and no name climbs out of its folder, hides itself or is too long.
    """
    clean = re.sub(r"[^A-Za-z0-9._+-]", "_", text).lstrip(".-")[:_LONGEST]
    if clean == text and clean:
        return clean
    return f"{clean}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}".lstrip("-")


def without_password(text: str) -> str:
    """``text`` with the passwords of the addresses in it left out: ``postgresql://user:***@host/base``."""
    return _PASSWORD.sub(r"\1***@", text)


def is_inside(name: str) -> bool:
    """Whether a relative path from a file that somebody sent stays in its folder."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name
