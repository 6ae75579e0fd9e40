"""What a set of features cost to make, kept beside it: studies that use the set share this cost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.accounting.meter import Meter
from harness.core.atomic import write_json
from harness.core.reading import read_json

COST = "cost.json"
_EVERY_S = 5.0
_STAGE = "features"
_SHOWN = ("device", "gpu", "gpu_count", "wall_s", "cpu_hours", "gpu_hours", "peak_memory_mb", "interruptions")


class CostLog:
    """Measures the making of a set, over interruptions; a kill loses a few seconds of the account.

    Args:
        folder: the set's folder.
        device: where tiles are encoded.
        devices: how many of them.
    """

    def __init__(self, folder: Path, device: str, devices: int = 1) -> None:
        self._path = folder / COST
        self._meter = Meter(device, devices=devices)
        self._written = time.monotonic()

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure the block; what earlier blocks on this set have used is added to it."""
        if (state := _read(self._path).get("state")) is not None:
            self._meter.load_state(state)
        try:
            with self._meter.stage(_STAGE):
                yield
        finally:
            self._write()

    def note(self) -> None:
        """Keep the account of so far, now and then. Call it from the thread that measures."""
        if time.monotonic() - self._written > _EVERY_S:
            self._write()

    def _write(self) -> None:
        summary = self._meter.summary()
        account = {name: summary[name] for name in _SHOWN}
        with suppress(OSError):  # a full disk is the error of the features; the account is not worth another one
            write_json(self._path, {"account": account, "state": self._meter.state_dict()})
        self._written = time.monotonic()


def cost_of(folder: Path) -> dict[str, Any] | None:
    """What the set in ``folder`` cost: seconds, device hours and the device; None where it is not known."""
    account = _read(folder / COST).get("account")
    return account if isinstance(account, dict) else None


def _read(path: Path) -> dict[str, Any]:
    """The file's content; nothing where there is none, or it is damaged: then the cost is unknown, and no error."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
