"""Where the package's data files and the user's caches are."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from harness.core import console
from harness.core.folders import expanded
from harness.core.home import cache_base, can_write, fallback_folder

_PACKAGE = Path(__file__).resolve().parents[1]


def package_data(name: str) -> Path:
    """The folder ``name`` (``datasets``, ``leaderboards/reference``) in a wheel or in a checkout."""
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def cache_root() -> Path:
    """Where prepared data goes: ``$BENCH_CACHE``, else ``$XDG_CACHE_HOME/wsibench``, else ``~/.cache/wsibench``.

    Where the last two cannot be written, it is a temporary folder, with a note.
    """
    if chosen := os.environ.get("BENCH_CACHE"):
        return expanded(chosen)
    base = cache_base()
    if base is not None and can_write(base / "wsibench"):
        return base / "wsibench"
    folder = fallback_folder() / "cache"
    _note_fallback(str(folder), "there is no home folder" if base is None else f"{base} cannot be written")
    return folder


@cache
def _note_fallback(folder: str, reason: str) -> None:
    console.note(f"{reason}: data is prepared in {folder}; --cache or $BENCH_CACHE choose another place")
