"""File names from any text, and JSON from any numbers."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from pathlib import PurePath, PurePosixPath
from typing import Any

_LONGEST = 120
_PASSWORD = re.compile(r"(//[^/@:\s]*:)[^/@\s]*@")
_FORMULA = ("=", "+", "-", "@")


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


def plain(value: Any) -> Any:
    """``value`` with plain JSON types only: numbers that are not finite become None, names become text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def cell(value: Any) -> Any:
    """``value`` for a CSV file that somebody may open in a spreadsheet: no text starts a formula or breaks a line."""
    if not isinstance(value, str):
        return value
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_inside(name: str) -> bool:
    """Whether a relative path from a file that somebody sent stays in its folder."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name
