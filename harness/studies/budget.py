"""What a command may spend on further runs, and what it has spent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import UsageError, shown
from harness.results.summary import Cost
from harness.studies.tuning.settings import seconds

if TYPE_CHECKING:
    from harness.results.record import Record


@dataclass(frozen=True)
class Spent:
    """Time, in the units of :class:`Budget`."""

    wall_s: float = 0.0
    gpu_hours: float = 0.0
    cpu_hours: float = 0.0

    @classmethod
    def on(cls, records: Sequence[Record], times: float = 1.0) -> Spent:
        """What units used, so many times; 0 for what they do not know."""
        if not records:
            return cls()
        cost = Cost.of(records)
        return cls(*(times * (one or 0.0) for one in (cost.wall_s, cost.gpu_hours, cost.cpu_hours)))

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall_s + other.wall_s, self.gpu_hours + other.gpu_hours, self.cpu_hours + other.cpu_hours)


@dataclass(frozen=True)
class Budget:
    """What may be spent; None for no limit.

    Attributes:
        wall_s: seconds on the clock, of this command.
        gpu_hours, cpu_hours: of the units that it runs.
    """

    wall_s: float | None = None
    gpu_hours: float | None = None
    cpu_hours: float | None = None

    @classmethod
    def of(cls, text: str) -> Budget:
        """``5h`` or ``90m`` on the clock, ``5gpu-h`` or ``20cpu-h`` of computing.

        Raises:
            UsageError: it is none.
        """
        found = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(gpu|cpu)-?h\s*", text.lower())
        if found is None:
            try:
                return cls(wall_s=seconds(text, "--budget"))
            except UsageError:
                raise UsageError(
                    f"{shown(text)} is no budget", place="--budget", fix="give it like 5h, 90m, 2gpu-h or 20cpu-h"
                ) from None
        if not float(found[1]) > 0:
            raise UsageError("the budget is 0", place="--budget", fix="give more")
        return cls(**{f"{found[2]}_hours": float(found[1])})

    def holds(self, spent: Spent, more: Spent) -> bool:
        """Whether ``more`` still fits behind what has been spent."""
        total = spent + more
        limits = ((self.wall_s, total.wall_s), (self.gpu_hours, total.gpu_hours), (self.cpu_hours, total.cpu_hours))
        return all(limit is None or used <= limit for limit, used in limits)
