"""What stands behind a study's scores besides training: test-set accesses, and what tuning cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.results.record import Record


@dataclass(frozen=True)
class AccessCounts:
    """How a study's units were tuned and scored.

    Attributes:
        accesses: how often the units had test predictions scored, all together; None where a record does not know.
        units: how many units there are.
        trials: trials of all outer folds together; None where nothing was tuned.
        tuning_device_s: device time of the trials in seconds, which is no part of what the units cost.
        sampler: how the trials were chosen.
    """

    accesses: int | None
    units: int
    trials: int | None = None
    tuning_device_s: float | None = None
    sampler: str = ""

    @classmethod
    def of(cls, records: Sequence[Record]) -> AccessCounts:
        """Of the finished units of a study."""
        counts = [record.extra.get("test_accesses", record.extra.get("scorer_asked")) for record in records]
        known = [int(number) for number in counts if isinstance(number, int)]
        searches = _searches(records)
        if not searches:
            return cls(sum(known) if len(known) == len(records) else None, len(records))
        settings = records[0].spec.get("tuning") or {}
        return cls(
            sum(known) if len(known) == len(records) else None,
            len(records),
            sum(int(search.get("trials", 0)) for search in searches),
            float(sum(float(search.get("device_s", 0.0)) for search in searches)),
            str(settings.get("sampler", "")),
        )

    def metrics(self) -> dict[str, float | None]:
        """The numbers by name, for comparing studies."""
        found: dict[str, float | None] = {"test_accesses": self.accesses}
        if self.trials is not None:
            found |= {"tuning.trials": self.trials, "tuning.device_s": self.tuning_device_s}
        return found


def _searches(records: Sequence[Record]) -> list[Mapping[str, Any]]:
    """What was found in each outer fold; the seeds of a fold share one search."""
    found: dict[tuple[Any, Any], Mapping[str, Any]] = {}
    for record in records:
        search = record.selection.get("tuning")
        if isinstance(search, dict):
            found[record.spec["repeat"], record.spec["fold"]] = search
    return list(found.values())
