"""How much memory there is to be had: on a GPU, or in this machine within the limits that the process is held to."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

from harness.accounting.gpu import cuda_index
from harness.core.errors import UsageError, shown

VARIABLE = "BENCH_MEMORY_LIMIT"
"""Environment variable that stands in for ``--memory-limit``."""

MARGIN = 0.1
"""Share of the free memory that is left alone: estimates are not exact, and other processes live too."""

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([kmgt]?)(i?)(b?)", re.IGNORECASE)
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def parse_bytes(text: object, *, place: str) -> int:
    """Bytes of ``8GB`` (powers of 1000), ``8GiB`` (powers of 1024), ``8G`` (as GB) or a plain number.

    Raises:
        UsageError: not a size, or none at all.
    """
    match = _SIZE.fullmatch(str(text).strip()) if isinstance(text, str | int | float) else None
    number = 0
    if match is not None:
        base = 1024 if match[3] else 1000
        number = round(float(match[1]) * base ** _UNITS[match[2].lower()])
    if not 0 < number < 2**63:
        raise UsageError(f"{shown(text)} is no amount of memory", place=place, fix="write it as 8GB, 500MB or 8GiB")
    return number


def limit_from_environment() -> int | None:
    """What ``$BENCH_MEMORY_LIMIT`` says, in bytes; None where it is not set.

    Raises:
        UsageError: it is no size.
    """
    text = os.environ.get(VARIABLE, "")
    return parse_bytes(text, place=f"${VARIABLE}") if text else None


def available_bytes(device: str) -> int:
    """Memory that a unit may count on: what is free on the device and what torch holds of it, less a margin.

    Args:
        device: ``cpu``, ``cuda`` or ``cuda:N``.
    """
    index = cuda_index(device)
    free = _free_ram() if index is None else _free_on_gpu(index)
    return round(free * (1 - MARGIN))


def _free_on_gpu(index: int) -> int:
    import torch

    free, _ = torch.cuda.mem_get_info(index)
    return int(free) + int(torch.cuda.memory_reserved(index))


def _free_ram() -> int:
    import psutil

    free = int(psutil.virtual_memory().available)
    return min([free, *_left_in_cgroups(_OWN_CGROUPS, _CGROUPS)])


def _left_in_cgroups(own: Path, root: Path) -> Iterator[int]:
    """Bytes left in each control group with a limit that this process is in (Linux; containers, SLURM).

    Args:
        own: the file that names the groups of this process.
        root: where the groups' files are.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            names, folder = ("memory.max", "memory.current", "inactive_file"), root
        elif "memory" in controllers.split(","):
            names, folder = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"), root / "memory"
        else:
            continue
        # In a container the path may be that of the host, of which only the root is to be seen.
        for group in {folder, *_with_parents(folder, path)}:
            left = _left(group, *names)
            if left is not None:
                yield left


def _with_parents(folder: Path, path: str) -> Iterator[Path]:
    parts = [part for part in path.split("/") if part not in {"", ".", ".."}]
    for count in range(1, len(parts) + 1):
        yield folder.joinpath(*parts[:count])


def _left(group: Path, limit_file: str, usage_file: str, cache_name: str) -> int | None:
    """Bytes left in one group; files that are merely cached make room. None without a limit."""
    try:
        limit = float((group / limit_file).read_text().strip().replace("max", "inf"))
        usage = int((group / usage_file).read_text())
        rows = (row.split() for row in (group / "memory.stat").read_text().splitlines())
        cached = next((int(row[1]) for row in rows if row[0] == cache_name), 0)
    except (OSError, ValueError, IndexError):
        return None
    # "No limit" is a number close to 2**63 in the older layout.
    return None if math.isinf(limit) or limit > 2**60 else max(0, int(limit) - usage + cached)
