"""What a study used, as the site shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.leaderboard_site.content import Cost, Estimate
from harness.results.summary import NO_GPU

if TYPE_CHECKING:
    from harness.results.record import Record
    from harness.results.summary import Summary

_RESAMPLES = 1000


def cost_of(summary: Summary) -> Cost:
    """The cost of a study."""
    cost, accesses, records = summary.cost, summary.accesses, summary.study.records
    gpu = cost.gpu != NO_GPU
    name = "gpu_hours" if gpu else "cpu_hours"
    hours = cost.gpu_hours if gpu else cost.cpu_hours
    tuning = None if accesses.tuning_device_s is None else accesses.tuning_device_s / 3600
    shared, resource = cost.shared_gpu_hours, "GPU-hours"
    if shared is None:
        shared, resource = cost.shared_cpu_hours, "CPU-hours"
    return Cost(
        resource="GPU-hours" if gpu else "CPU-hours",
        hours=hours,
        tuning_hours=tuning,
        hours_with_tuning=None if hours is None else hours + (tuning or 0.0),
        shared_hours=shared,
        shared_resource="" if shared is None else resource,
        per_unit=estimate(_known(records, name)),
        memory_mb=cost.peak_memory_mb,
        memory_per_unit=estimate(_known(records, "peak_memory_mb")),
        hardware=_hardware(records, cost.gpu),
        trials=accesses.trials,
    )


def estimate(values: Sequence[float]) -> Estimate | None:
    """The mean with its 95 % bootstrap interval (percentiles of 1,000 means); None without values."""
    if not values:
        return None
    own = np.asarray(values, dtype=np.float64)
    if len(own) < 2:
        return Estimate(mean=float(own[0]), low=None, high=None)
    drawn = own[np.random.default_rng(0).integers(0, len(own), (_RESAMPLES, len(own)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(mean=float(own.mean()), low=float(low), high=float(high))


def _known(records: Sequence[Record], name: str) -> list[float]:
    """The values of all units; none where one does not know."""
    values = [record.compute.get(name) for record in records]
    return [float(value) for value in values if value is not None] if None not in values else []


def _hardware(records: Sequence[Record], gpu: str) -> str:
    """The GPU, or the processor where there is none."""
    if gpu != NO_GPU:
        return gpu
    names = {str((record.environment.get("hardware") or {}).get("cpu") or "") for record in records}
    return ", ".join(sorted(name for name in names if name)) or "CPU"
