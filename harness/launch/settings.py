"""Where units run, as the user asks for it. None of it enters a unit's identity: results do not depend on it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.errors import UsageError, shown
from harness.core.suggest import unknown

LAUNCHERS = ("inline", "ray")
_MOST = 4096


@dataclass(frozen=True, kw_only=True)
class LaunchSettings:
    """Which launcher, and what it gives each unit.

    Attributes:
        launcher: ``inline`` (one unit after the other, here) or ``ray``.
        address: of a Ray cluster that is up, or ``auto`` to find it; None for ``$RAY_ADDRESS``, or else a Ray of
            our own.
        gpus_per_unit: share of a GPU, or how many, that Ray sets aside for a unit; None for one on a GPU, none on a
            CPU.
        cpus_per_unit: threads that a unit computes with, and cores that Ray sets aside for it; None for the threads
            that this process would use.
        parallel: units under way at once; None for as many as the cluster has room for.
        memory_limit: bytes that a unit may take; None for what is free where it runs.

    Raises:
        UsageError: a value that makes no sense, or one that only another launcher can use.
    """

    launcher: str = "inline"
    address: str | None = None
    gpus_per_unit: float | None = None
    cpus_per_unit: int | None = None
    parallel: int | None = None
    memory_limit: int | None = None

    def __post_init__(self) -> None:
        if self.launcher not in LAUNCHERS:
            raise unknown("launcher", self.launcher, LAUNCHERS, place="--launcher", listing="bench run --help")
        for name in ("cpus_per_unit", "parallel"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST):
                raise UsageError(
                    f"{shown(value)} is not a number from 1 to {_MOST:,}",
                    place=_option(name),
                    fix="give a whole number",
                )
        self._check_gpus()
        for name in ("address", "gpus_per_unit", "parallel"):
            if self.launcher == "inline" and getattr(self, name) is not None:
                raise UsageError(
                    "the inline launcher runs one unit after the other, here",
                    place=_option(name),
                    fix=f"add --launcher ray, or leave {_option(name)} out",
                )
        if self.address is not None and self.address.startswith("ray://"):
            raise UsageError(
                "Ray's client protocol keeps the files of a run away from its units",
                place=f"--address {self.address}",
                fix="give the command on a node of the cluster, with --address auto",
            )

    def _check_gpus(self) -> None:
        share = self.gpus_per_unit
        if share is None:
            return
        number = isinstance(share, int | float) and not isinstance(share, bool)
        if not number or not 0 < share <= _MOST or (share > 1 and share != int(share)):
            raise UsageError(
                f"{shown(share)} is no share of a GPU",
                place="--gpus-per-unit",
                fix="give a part of one, such as 0.25, or a whole number",
            )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
