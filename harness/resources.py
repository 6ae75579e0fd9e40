"""Where the package's data files and the user's caches are."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def package_data(name: str) -> Path:
    """The folder ``name`` (``datasets``, ``leaderboards/reference``) in a wheel or in a checkout."""
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def cache_root() -> Path:
    """Where prepared data goes: ``$BENCH_CACHE``, else ``$XDG_CACHE_HOME/wsibench``, else ``~/.cache/wsibench``."""
    if chosen := os.environ.get("BENCH_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "wsibench"
