"""An exception in one line."""

from __future__ import annotations

import traceback
from pathlib import Path

import harness
from harness.core.errors import BenchError

_OURS = Path(harness.__file__).parent


def error_text(error: Exception) -> str:
    """What went wrong, and where in whose code: the innermost line of the method's own if there is one."""
    if isinstance(error, BenchError):
        return f"{error.problem} (at {error.place})"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not _is_library(Path(frame.filename))] or list(frames)
    where = f" ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno})" if theirs else ""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else 'no message'}{where}"


def _is_library(file: Path) -> bool:
    return file.is_relative_to(_OURS) or "site-packages" in file.parts
