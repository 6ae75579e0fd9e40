"""The entry points of installed distributions, looked for once instead of once for every kind of plugin."""

from __future__ import annotations

import functools
import os
import sys
from importlib import metadata


def entry_points(group: str) -> tuple[metadata.EntryPoint, ...]:
    """The entry points of a group.

    All groups are read at once, which opens a file for every installed distribution, and they are read again only after
    something was installed or removed: when ``sys.path`` or one of its folders has changed.
    """
    return tuple(_all(_path()).select(group=group))


def package(point: metadata.EntryPoint) -> str:
    """Name and version of the distribution that an entry point comes from; empty where there is none."""
    return "" if point.dist is None else _name_and_version(point.dist)


@functools.lru_cache(maxsize=1)
def _all(path: tuple[tuple[str, int], ...]) -> metadata.EntryPoints | metadata.SelectableGroups:
    return metadata.entry_points()


@functools.lru_cache(maxsize=64)
def _name_and_version(distribution: metadata.Distribution) -> str:
    return f"{distribution.name} {distribution.version}"


def _path() -> tuple[tuple[str, int], ...]:
    """The folders that packages are found in, with the time of their last change."""
    return tuple((folder, _changed(folder)) for folder in sys.path)


def _changed(folder: str) -> int:
    try:
        return os.stat(folder or ".").st_mtime_ns  # noqa: PTH116  (an archive is as good as a folder)
    except OSError:
        return 0
