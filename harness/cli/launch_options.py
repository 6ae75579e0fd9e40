"""The options of ``bench run`` that say where units run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import assignments
from harness.core.errors import UsageError, shown

if TYPE_CHECKING:
    from harness.jobs.executors.settings import LaunchSettings

NAMES = ("launcher", "launcher_option", "address", "gpus_per_unit", "cpus_per_unit", "parallel", "memory_limit")
"""What a configuration file may say of launchers."""

_PANEL = "Where units run: results do not depend on it, but where memory is short"

Launcher = Annotated[
    str | None,
    typer.Option(
        help="local (one after the other, here), ray, slurm, or an installed one (default: local).",
        rich_help_panel=_PANEL,
    ),
]
LauncherOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--launcher-option",
        help="Option of the launcher's own: key=value, such as partition=gpu. Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="Ray cluster: auto or HOST:PORT (default: $RAY_ADDRESS, or Ray is started here).", rich_help_panel=_PANEL
    ),
]
GpusPerUnit = Annotated[
    float | None,
    typer.Option(help="GPUs that are reserved for a unit, such as 0.25 (default: 1).", rich_help_panel=_PANEL),
]
CpusPerUnit = Annotated[
    int | None,
    typer.Option(help="Threads and cores of a unit (default: $OMP_NUM_THREADS or all cores).", rich_help_panel=_PANEL),
]
Parallel = Annotated[
    int | None,
    typer.Option(help="Units under way at once (default: the launcher decides).", rich_help_panel=_PANEL),
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
    from harness.jobs.executors.settings import LaunchSettings

    given = {name: options[name] for name in NAMES if options.get(name) is not None}
    for name in ("launcher", "address"):
        if not isinstance(given.get(name, ""), str):
            raise UsageError(f"{shown(given[name])} is not a name", place=f"--{name}", fix="give one word")
    if "memory_limit" in given:
        given["memory_limit"] = parse_bytes(given["memory_limit"], place="--memory-limit")
    own = _own_options(given.pop("launcher_option", {}))
    if "address" in given:
        own["address"] = given.pop("address")
    return LaunchSettings(**given, options=own)


def _own_options(given: Any) -> dict[str, Any]:
    """Options of the launcher's own: ``key=value`` words, or a mapping in a configuration file."""
    if isinstance(given, Mapping):
        return {str(name): value for name, value in given.items()}
    texts = given if isinstance(given, list | tuple) else [given]
    return assignments(map(str, texts), place="--launcher-option")
