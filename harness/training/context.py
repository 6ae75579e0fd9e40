"""The context of a unit: device, seeds, precision, scratch space, and what it leaves for the record."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from harness.core import console
from harness.core.atomic import write_json
from harness.core.seeds import Seeds
from harness.protocols.audit import audit_stage
from harness.training.memory.fallback import Fallback
from harness.training.memory.state import Memory
from harness.training.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from harness.accounting.meter import Meter
    from harness.datasets.splits import Fold

METER_FILE = "meter.json"
KEEP = "keep"
"""Folder in a unit's scratch space with what its record is to keep."""

Precision = Literal["fp32", "bf16", "fp16"]


@dataclass
class Context:
    """Device, seeds, precision and scratch space of one unit.

    Attributes:
        seeds: the unit's seeds; everything random is drawn from them.
        device: where modules and batches go.
        precision: arithmetic of forward and backward passes; weights stay float32.
        workdir: scratch space that survives an interruption (checkpoints, re-embedded features).
        meter: accounts time and memory by stage.
        select: the protocol's rule: ``best`` epoch on validation, or ``last``.
        metric: metric that the best epoch is chosen by: the task's first one.
        lower_is_better: metrics of which a smaller value is better.
        label: what progress bars are headed with.
        fold: the slides of this unit by part, as far as the leak audit needs them; None outside a protocol.
        checkpoint_seconds: least seconds between two checkpoints; ``$BENCH_CHECKPOINT_SECONDS``, or else 10.
        curve: rows of training curves: stage, epoch and numbers.
        facts: what stages leave for the record (best epoch, stopped early, resumed ...).
        watch: called at the end of every epoch of every stage with (stage, epoch): its module is in evaluation mode and
            has the weights of that epoch, averaged ones where these are reported. Nothing that it does changes the
            training, and it is called before the epoch's checkpoint is written, so that a run that is continued has
            missed none. None watches nothing.
        ranks: the processes that train this unit together, one per device; by default this one alone. All of them run
            the same code, and rank 0 alone writes files.
        memory: how much there is, and the memory fallback in use.
    """

    seeds: Seeds
    device: torch.device
    workdir: Path
    meter: Meter
    precision: Precision = "fp32"
    select: Literal["best", "last"] = "best"
    metric: str = "auc"
    lower_is_better: frozenset[str] = frozenset()
    label: str = ""
    fold: Fold | None = None
    checkpoint_seconds: float = field(default_factory=lambda: float(os.environ.get("BENCH_CHECKPOINT_SECONDS", "10")))
    curve: list[dict[str, float | str]] = field(default_factory=list)
    facts: dict[str, dict[str, float | int | str | bool | None]] = field(default_factory=dict)
    watch: Callable[[str, int], None] | None = None
    ranks: Ranks = ALONE
    memory: Memory = field(default_factory=Memory)

    def keep(self, name: str) -> Path:
        """Where to put something that stays when the scratch space goes: ``<unit folder>/<name>`` in the end.

        It stands in the scratch space until the unit is done, so that an interrupted or failed unit leaves nothing.
        """
        return self.workdir / KEEP / name

    def audit(self, trained_on: Iterable[str], *, stage: str) -> None:
        """Refuse what was trained on slides that this unit does not train on.

        Args:
            trained_on: slides that it was trained on (an embedder, features made by one); none for published weights.
            stage: what it is called, for the error.

        Raises:
            LeakError: one of them is no training slide of the run's fold.
        """
        if self.fold is not None:
            audit_stage(self.fold, trained_on, stage=stage)

    def save_meter(self) -> None:
        """Keep what has been used so far, so that an interruption does not lose the count."""
        if self.ranks.first:
            write_json(self.workdir / METER_FILE, self.meter.state_dict())

    def load_meter(self) -> None:
        """Add what an interrupted attempt had used."""
        path = self.workdir / METER_FILE
        if path.exists():
            try:
                self.meter.load_state(json.loads(path.read_text(encoding="utf-8")))
            except (ValueError, KeyError, TypeError):
                console.warn(f"damaged {path} is left aside: what the interrupted attempt used is not counted")

    def use_fallback(self, fallback: Fallback) -> None:
        """Train with ``fallback`` from now on."""
        self.memory.fallback = fallback
        if fallback.kind == "bf16":
            self.precision = "bf16"

    def fall_back(self, why: str, *, place: str) -> None:
        """Use the next memory fallback that can help, the same on all ranks.

        Raises:
            MethodError: there is no other.
        """
        bf16 = self.precision == "fp32" and (self.device.type == "cpu" or torch.cuda.is_bf16_supported())
        found = [one for one in self.ranks.gathered(self.memory.following(bf16=bf16)) if one is not None]
        if not found:
            raise self.memory.error(place=place, reason=why)
        self.use_fallback(max(found, key=lambda one: one.position))
        if self.ranks.first:
            self.memory.save(self.workdir)
        console.note(f"{place}: {why}; next try: {self.memory.fallback.description}")

    def autocast(self) -> AbstractContextManager[object]:
        """The context of the run's precision."""
        if self.precision == "fp32":
            return nullcontext()
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype)

    def seed(self, axis: str, *position: str | int) -> None:
        """Set torch's global generators, of the CPU and of the run's device, to (axis, position).

        Not by ``torch.manual_seed``: where CUDA is installed but not in use, that notes down the call with its stack
        for a later start of CUDA, each time it is called, and so grows with every step.
        """
        value = self.seeds.seed(axis, *position)
        torch.default_generator.manual_seed(value)
        if self.device.type == "cuda":
            with torch.cuda.device(self.device):
                torch.cuda.manual_seed(value)

    @contextmanager
    def seeded(self, axis: str, *position: str | int) -> Iterator[None]:
        """Draws from torch's global generator inside the block are a function of (axis, position) alone."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            self.seed(axis, *position)
            yield
