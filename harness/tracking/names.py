"""File names from any text, and JSON from any numbers."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

_LONGEST = 120


def safe_name(text: str) -> str:
    """A file name for ``text``: the text itself where that is harmless, else a cleaned one with a short hash.

    Different texts give different names, and no name climbs out of its folder, hides itself or is too long.
    """
    clean = re.sub(r"[^A-Za-z0-9._+-]", "_", text).lstrip(".-")[:_LONGEST]
    if clean == text and clean:
        return clean
    return f"{clean}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}".lstrip("-")


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
