"""The meter of a unit: time, memory and device hours, by stage, over interruptions."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.accounting.gpu import GpuProbe, cuda_index
from harness.accounting.processes import cpu_seconds, high_water_bytes, resident_bytes

TIMING_VERSION = 1
"""Raised when the way of measuring changes: times of different versions do not compare."""

NO_GPU = "no GPU"
_MB = 1e6


@dataclass
class Usage:
    """What one stage has used so far.

    Attributes:
        wall_s: seconds on the clock.
        cpu_s: CPU seconds, child processes included.
        device_s: seconds on the clock while holding the GPU.
        rss: most memory in use, child processes included, in bytes.
        gpu_allocated: most memory allocated by torch on the GPU, in bytes; None where it is not known.
        gpu_used: most memory on the GPU by the driver's account, in bytes; None where it is not known.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    device_s: float = 0.0
    rss: int | None = None
    gpu_allocated: int | None = None
    gpu_used: int | None = None

    def add(self, other: Usage) -> None:
        """Add the times and take the larger of each memory."""
        self.wall_s += other.wall_s
        self.cpu_s += other.cpu_s
        self.device_s += other.device_s
        self.rss = _larger(self.rss, other.rss)
        self.gpu_allocated = _larger(self.gpu_allocated, other.gpu_allocated)
        self.gpu_used = _larger(self.gpu_used, other.gpu_used)

    def summary(self, devices: int) -> dict[str, Any]:
        """For the record: seconds, hours and megabytes (10^6 bytes)."""
        return {
            "wall_s": round(self.wall_s, 3),
            "cpu_hours": round(self.cpu_s / 3600, 6),
            "gpu_hours": round(self.device_s * devices / 3600, 6),
            "peak_rss_mb": _megabytes(self.rss),
            "peak_gpu_allocated_mb": _megabytes(self.gpu_allocated),
            "peak_gpu_used_mb": _megabytes(self.gpu_used),
        }


@dataclass
class _Open:
    """A stage under way: where the clocks stood, and the memory seen since."""

    name: str
    on_device: bool
    wall: float
    cpu: float
    high_water: int
    seen: Usage = field(default_factory=Usage)


class Meter:
    """Measures stages of a unit.

    Stages nest; an inner one is named ``outer/inner`` and its time is part of the outer one's. The total adds up
    outermost stages only. Use it from one thread.

    Args:
        device: ``cpu``, ``cuda`` or ``cuda:N``. On a GPU the clock is read after all queued work is done.
        devices: how many devices the unit holds while it runs; GPU-hours count each.
        interval_s: time between two memory samples. Peaks of this process alone are exact whatever the interval.
    """

    def __init__(self, device: str = "cpu", *, devices: int = 1, interval_s: float = 0.25) -> None:
        index = cuda_index(device)
        self.device = device
        self.devices = 0 if index is None else devices
        self.interruptions = 0
        self._gpu = None if index is None else GpuProbe(index)
        self._before: dict[str, Usage] = {}
        self._done: dict[str, Usage] = {}
        self._open: list[_Open] = []
        self._lock = threading.Lock()
        self._interval = interval_s

    @contextmanager
    def stage(self, name: str, *, on_device: bool = True) -> Iterator[None]:
        """Measure the block and add it to what stage ``name`` has used before.

        Args:
            name: the stage.
            on_device: whether the unit holds its GPU meanwhile; False for work before it is taken.
        """
        stop = self._watch() if not self._open else None
        path = f"{self._open[-1].name}/{name}" if self._open else name
        self.note_gpu()
        current = _Open(path, on_device, time.perf_counter(), cpu_seconds(), high_water_bytes())
        with self._lock:
            self._open.append(current)
        self._sample()
        try:
            yield
        finally:
            self.note_gpu()
            self._sample()
            with self._lock:
                self._open.remove(current)
            self._done.setdefault(path, Usage()).add(self._so_far(current))
            if stop is not None:
                stop()

    def state_dict(self) -> dict[str, Any]:
        """Everything used so far, open stages included: what a checkpoint has to hold."""
        self.note_gpu()
        stages = self._stages()
        return {
            "version": TIMING_VERSION,
            "interruptions": self.interruptions,
            "stages": {name: asdict(usage) for name, usage in stages.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from the state of an interrupted run: what it used is added to what this one uses.

        A later checkpoint of the same run holds what an earlier one does, so a second call replaces the first.
        """
        self.interruptions = int(state["interruptions"]) + 1
        self._before = {name: Usage(**values) for name, values in state["stages"].items()}

    def take_in(self, ranks: Iterable[Mapping[str, Any]]) -> None:
        """Raise the GPU peaks of stages to those of the other devices: the most on any one of them.

        Times, CPU seconds and memory of the machine need no such thing: the other processes descend from this one.

        Args:
            ranks: :meth:`state_dict` of every process that trained with this one.
        """
        for state in ranks:
            for name, values in state["stages"].items():
                other = Usage(gpu_allocated=values["gpu_allocated"], gpu_used=values["gpu_used"])
                self._done.setdefault(name, Usage()).add(other)

    def summary(self) -> dict[str, Any]:
        """The record's account of the unit, JSON-able.

        ``gpu`` is the name of the device or "no GPU"; ``gpu_hours`` is 0 exactly when none was held. Memory that is
        not known is None. ``peak_memory_mb`` is that of the device the unit ran on: allocated on the GPU, or else
        the resident set.
        """
        self.note_gpu()
        stages = self._stages()
        total = Usage()
        for name, usage in stages.items():
            if "/" not in name:
                total.add(usage)
        account = total.summary(self.devices)
        return {
            "timing_version": TIMING_VERSION,
            "device": self.device,
            "gpu": NO_GPU if self._gpu is None else self._gpu.name,
            "gpu_count": self.devices,
            **account,
            "peak_memory_mb": account["peak_rss_mb" if self._gpu is None else "peak_gpu_allocated_mb"],
            "interruptions": self.interruptions,
            "stages": {name: usage.summary(self.devices) for name, usage in stages.items()},
        }

    def _stages(self) -> dict[str, Usage]:
        """Usage by stage: before the interruption, done since, and under way."""
        stages: dict[str, Usage] = {}
        parts = [*self._before.items(), *self._done.items()]
        parts += [(current.name, self._so_far(current)) for current in self._open]
        for name, usage in parts:
            stages.setdefault(name, Usage()).add(usage)
        return stages

    def _so_far(self, current: _Open) -> Usage:
        """What an open stage has used until now."""
        usage = Usage(**asdict(current.seen))
        usage.wall_s = time.perf_counter() - current.wall
        usage.cpu_s = max(0.0, cpu_seconds() - current.cpu)
        usage.device_s = usage.wall_s if current.on_device and self._gpu is not None else 0.0
        high_water = high_water_bytes()
        if high_water > current.high_water:  # a new record within this stage, seen by the kernel between samples
            usage.rss = _larger(usage.rss, high_water)
        return usage

    def note_gpu(self) -> None:
        """Book the allocation peak since the last reset on all open stages, and start a new one."""
        if self._gpu is None:
            return
        self._gpu.synchronise()
        peak = self._gpu.peak_allocated()
        self._gpu.reset_peak()
        for current in self._open:
            current.seen.gpu_allocated = _larger(current.seen.gpu_allocated, peak)

    def _sample(self) -> None:
        """Read the memory in use and book it on all open stages."""
        rss = resident_bytes()
        used = None if self._gpu is None else self._gpu.used_by_family()
        with self._lock:
            for current in self._open:
                current.seen.rss = _larger(current.seen.rss, rss)
                current.seen.gpu_used = _larger(current.seen.gpu_used, used)

    def _watch(self) -> Any:
        """Start the sampling thread; returns what stops it."""
        ended = threading.Event()

        def run() -> None:
            pause = self._interval
            while not ended.wait(pause):
                started = time.perf_counter()
                self._sample()
                # Looking must not cost more than a few per cent, however large the process has grown.
                pause = max(self._interval, 25 * (time.perf_counter() - started))

        thread = threading.Thread(target=run, name="memory-sampler", daemon=True)
        thread.start()

        def stop() -> None:
            ended.set()
            thread.join()

        return stop


def _larger(a: int | None, b: int | None) -> int | None:
    known = [value for value in (a, b) if value is not None]
    return max(known) if known else None


def _megabytes(value: int | None) -> float | None:
    return None if value is None else round(value / _MB, 3)
