"""CPU time and memory of this process and everything that it started."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

import psutil

_PARTS = ("Pss_Anon", "Pss_Shmem", "Pss_File", "RssFile")
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def cpu_seconds() -> float:
    """CPU seconds (user and system) used so far by this process and its descendants, ended ones included.

    A running child counts through its own clock, an ended one through what it handed to its parent; so a difference
    of two readings misses nobody who was waited for.
    """
    own = resource.getrusage(resource.RUSAGE_SELF)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
    for child in _descendants():
        with suppress(psutil.Error):
            times = child.cpu_times()
            total += sum(getattr(times, name, 0.0) for name in ("user", "system", "children_user", "children_system"))
    return total


def resident_bytes() -> int:
    """Memory in use by this process and its descendants, in bytes.

    Alone, a process counts its resident set. With children, where the system tells (Linux), memory that several of
    them share, as forked loader workers do, counts once; elsewhere the resident sets are added up.
    """
    me = psutil.Process()
    family = [me, *_descendants()]
    if len(family) == 1:
        return int(me.memory_info().rss)
    parts = [part for process in family if (part := _memory_parts(process.pid)) is not None]
    if parts:
        private = sum(part["Pss_Anon"] + part["Pss_Shmem"] for part in parts)
        # Strangers may map the same libraries: their share of these is not ours to leave out.
        files = max(sum(part["Pss_File"] for part in parts), *(part["RssFile"] for part in parts))
        return private + files
    total = 0
    for process in family:
        with suppress(psutil.Error):
            total += int(process.memory_info().rss)
    return total


def high_water_bytes() -> int:
    """The largest resident set that this process alone ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


def family_pids() -> set[int]:
    """Process ids of this process and its descendants."""
    return {os.getpid(), *(child.pid for child in _descendants())}


def _descendants() -> list[psutil.Process]:
    """Running child processes, their children and so on."""
    pids = _child_pids(os.getpid())
    if pids is None:
        with suppress(psutil.Error):
            return psutil.Process().children(recursive=True)
        return []
    found: list[psutil.Process] = []
    for pid in pids:
        with suppress(psutil.Error):
            found.append(psutil.Process(pid))
    return found


def _child_pids(pid: int) -> list[int] | None:
    """Descendants by the kernel's own lists, which costs a hundredth of a look at every process; None without them."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text(encoding="ascii").split()):
                found += [child, *(_child_pids(child) or ())]
    except OSError:
        return found or None
    return found


def _memory_parts(pid: int) -> dict[str, int] | None:
    """Bytes by kind from the kernel's summaries of a process; None where there are none."""
    found: dict[str, int] = {}
    try:
        for name in ("smaps_rollup", "status"):
            for line in Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace").splitlines():
                key, _, value = line.partition(":")
                if key in _PARTS:
                    found[key] = int(value.split()[0]) * 1024
    except (OSError, ValueError):
        return None
    return found if len(found) == len(_PARTS) else None
