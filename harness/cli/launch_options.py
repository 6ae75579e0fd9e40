"""The options of ``bench run`` that say where units run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.core.errors import UsageError, shown

if TYPE_CHECKING:
    from harness.launch.settings import LaunchSettings

NAMES = ("launcher", "address", "gpus_per_unit", "cpus_per_unit", "parallel", "memory_limit")
"""What a configuration file may say of launchers."""

_PANEL = "Where units run: results do not depend on it, but where memory is short"

Launcher = Annotated[
    str | None,
    typer.Option(help="inline (one after the other, here) or ray (default: inline).", rich_help_panel=_PANEL),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="Ray cluster: auto or HOST:PORT (default: $RAY_ADDRESS, or Ray is started here).", rich_help_panel=_PANEL
    ),
]
GpusPerUnit = Annotated[
    float | None,
    typer.Option(help="GPUs that Ray sets aside for a unit, such as 0.25 (default: 1).", rich_help_panel=_PANEL),
]
CpusPerUnit = Annotated[
    int | None,
    typer.Option(help="Threads and cores of a unit (default: $OMP_NUM_THREADS or all cores).", rich_help_panel=_PANEL),
]
Parallel = Annotated[
    int | None,
    typer.Option(help="Units under way at once (default: what the cluster has room for).", rich_help_panel=_PANEL),
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(help="Memory that a unit may take, such as 8GB (default: what is free).", rich_help_panel=_PANEL),
]


def launch_settings(options: Mapping[str, Any]) -> LaunchSettings:
    """Where units run.

    Raises:
        UsageError: a value that makes no sense.
    """
    from harness.accounting.available import parse_bytes
    from harness.launch.settings import LaunchSettings

    given = {name: options[name] for name in NAMES if options.get(name) is not None}
    for name in ("launcher", "address"):
        if not isinstance(given.get(name, ""), str):
            raise UsageError(f"{shown(given[name])} is not a name", place=f"--{name}", fix="give one word")
    if "memory_limit" in given:
        given["memory_limit"] = parse_bytes(given["memory_limit"], place="--memory-limit")
    return LaunchSettings(**given)
