"""Where jobs run, as the user asks for it, and the executor that follows. Results do not depend on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, ValidationError

from harness.accounting.available import VARIABLE, parse_bytes
from harness.core.errors import UsageError, shown
from harness.core.options import Option, Options, count, flag, settings, word
from harness.core.suggest import unknown
from harness.jobs.executors.executor import Executor, ExecutorOptions, Resources
from harness.jobs.executors.registry import executors

if TYPE_CHECKING:
    import torch

_MOST = 4096
_FORMER = {"inline": "local"}


def _share_of_gpu(value: Any, option: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= _MOST or (value > 1 and value != int(value)):
        raise UsageError(
            f"{shown(value)} is no share of a GPU",
            place=option,
            fix="give a part of one, such as 0.25, or a whole number",
        )
    return float(value)


def _bytes(value: Any, option: str) -> int:
    return parse_bytes(value, place=option)


class LaunchSettings(Options):
    """Which executor, and what it gives each job.

    Attributes:
        launcher: name of the executor.
        options: its own options by name.
        address: its option of this name, which has an option of the command line to itself.
        gpus_per_unit: share of a GPU, or how many, to reserve for a job; None for one per device on a GPU, none on a
            CPU.
        cpus_per_unit: threads that a job computes with, and cores to reserve for it; None for the threads that this
            process would use.
        parallel: jobs that run at once; None leaves it to the executor.
        memory_limit: bytes that a job may take; None for what is free where it runs.

    Raises:
        UsageError: a value that makes no sense.
    """

    panel: ClassVar[str | None] = "Where units run: results do not depend on it, but where memory is short"

    launcher: Annotated[
        str,
        Option(
            "launcher",
            word,
            "local (one after the other, here), ray, slurm, or an installed one (default: local).",
            complete="executors",
        ),
    ] = "local"
    options: Annotated[
        Mapping[str, Any],
        Option(
            "launcher_option",
            settings,
            "Option of the launcher's own: key=value, such as partition=gpu. Repeatable.",
            repeatable=True,
        ),
    ] = Field(default_factory=dict)
    address: Annotated[
        str | None,
        Option("address", word, "Ray cluster: auto or HOST:PORT (default: $RAY_ADDRESS, or Ray is started here)."),
    ] = None
    gpus_per_unit: Annotated[
        float | None,
        Option(
            "gpus_per_unit",
            _share_of_gpu,
            "GPUs that are reserved for a unit, such as 0.25 (default: 1).",
            reads=float,
        ),
    ] = None
    cpus_per_unit: Annotated[
        int | None,
        Option(
            "cpus_per_unit",
            count(_MOST),
            "Threads and cores of a unit (default: $OMP_NUM_THREADS or all cores).",
            reads=int,
        ),
    ] = None
    parallel: Annotated[
        int | None,
        Option("parallel", count(_MOST), "Units under way at once (default: the launcher decides).", reads=int),
    ] = None
    memory_limit: Annotated[
        int | None,
        Option("memory_limit", _bytes, "Memory that a unit may take, such as 8GB (default: what is free)."),
    ] = None

    def find(self) -> tuple[type[Executor], ExecutorOptions]:
        """The executor's class and its options. Plugins have to be loaded before.

        Raises:
            UsageError: there is no such executor, or it has no such option.
            MethodError: it fails to import.
        """
        kind = executors().find(_FORMER.get(self.launcher, self.launcher))
        for name in ("gpus_per_unit", "parallel"):
            if not kind.reserves and getattr(self, name) is not None:
                raise UsageError(
                    f"the {kind.name} launcher runs one unit after the other, here",
                    place=flag(name),
                    fix=f"add --launcher ray, or leave {flag(name)} out",
                )
        own = dict(self.options) | ({} if self.address is None else {"address": self.address})
        return kind, _own_options(kind, own)


def _own_options(kind: type[Executor], given: Mapping[str, Any]) -> ExecutorOptions:
    """The options of an executor, checked.

    Raises:
        UsageError: it has no such option, or the value makes no sense.
    """
    known = kind.Options.model_fields
    places = {name: "--address" if name == "address" else f"--launcher-option {name}" for name in given}
    for name in given:
        if name not in known and known:
            raise unknown(f"option of {kind.name}", name, known, place=places[name], listing="docs/launchers.md")
        if name not in known:
            fix = f"choose another launcher with --launcher, or leave {places[name]} out"
            raise UsageError(f"the {kind.name} launcher has no options", place=places[name], fix=fix)
    try:
        return kind.Options.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        place = places.get(str(first["loc"][0]), "--launcher-option") if first["loc"] else "--launcher-option"
        problem = f"{first['msg'].removeprefix('Value error, ')}, not {shown(first['input'])}"
        raise UsageError(problem, place=place, fix=f"docs/launchers.md has the options of {kind.name}") from None


def make_executor(settings: LaunchSettings, device: torch.device, devices: int = 1, *, folder: Path) -> Executor:
    """The executor that the user wants, to be used as a context.

    Every executor gives a job the same number of threads: on a CPU the last bits of a result depend on it.

    Args:
        settings: which executor, and what a job gets.
        device: where jobs run.
        devices: how many devices train one job together.
        folder: for files of the executor's own, on the disk of the runs folder and hidden from jobs.

    Raises:
        UsageError: what was asked for is not there, or makes no sense on this device.
    """
    import torch

    kind, options = settings.find()
    on_gpu = device.type == "cuda"
    if settings.gpus_per_unit is not None and not on_gpu:
        raise UsageError(
            "units run on the CPU: there is no GPU to share",
            place="--gpus-per-unit",
            fix="add --device cuda on a machine with a GPU, or leave --gpus-per-unit out",
        )
    if devices > 1 and settings.gpus_per_unit not in (None, devices):
        raise UsageError(
            f"a unit on {devices} devices takes {devices} whole GPUs",
            place=f"--gpus-per-unit {settings.gpus_per_unit}",
            fix="leave --gpus-per-unit out",
        )
    threads = settings.cpus_per_unit or torch.get_num_threads()
    resources = Resources(
        threads=threads,
        # A job keeps one core busy for each of its GPUs; what else its threads do is short.
        cpus=settings.cpus_per_unit or (devices if on_gpu else threads),
        gpus=float(settings.gpus_per_unit or devices) if on_gpu else 0.0,
        parallel=settings.parallel,
        variables={} if settings.memory_limit is None else {VARIABLE: str(settings.memory_limit)},
        folder=folder,
    )
    return kind(resources, options)
