"""The ladder of memory: what is changed, step by step, about a training that does not fit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from harness.atomic import write_json
from harness.training.sync_norm import has_batch_norm

if TYPE_CHECKING:
    from harness.bags.source import BagSource

FILE = "memory.json"
CHUNKS = (256, 64, 16)
"""Tiles per pass that are tried, the most first. Few and round, so that machines of like size choose alike."""

NEXT = 0.9
"""When memory has run out, what is tried next has to take at most this share of what did not fit."""

AS_ASKED, SMALLER_CHUNKS, RECOMPUTE, BF16 = range(4)


@dataclass(frozen=True)
class Rung:
    """One way to train.

    Attributes:
        number: 0 as asked, 1 smaller chunks, 2 recomputed activations, 3 bf16.
        chunk: tiles per pass through the encoder, 0 for all.
        recompute: whether activations are computed twice instead of kept.
        precision: arithmetic.
        changes: what becomes different in the numbers that come out; empty for nothing beyond the last digits.
    """

    number: int
    chunk: int
    recompute: bool
    precision: Literal["fp32", "bf16", "fp16"]
    changes: str = ""

    @property
    def how(self) -> str:
        """In words."""
        if self.number == AS_ASKED:
            return "as asked"
        parts = [f"chunks of {self.chunk} tiles"] if self.chunk else []
        parts += ["activations computed twice"] if self.recompute else []
        parts += ["bf16"] if self.number == BF16 else []
        return ", ".join(parts)


def ladder(
    asked: Rung, tiles: int, encoder: nn.Module | None, *, bf16: bool = True, fixed_norms: bool = False
) -> list[Rung]:
    """All ways to train, the one that was asked for first; later ones cost time first, and numbers last.

    Smaller chunks give an encoder with batch norm other statistics, which is another training; so it keeps its chunks,
    and recomputing helps it only if it has any. Dropout in an encoder is drawn anew for every chunk.

    Args:
        asked: the way that the hyper-parameters ask for.
        tiles: in the largest step.
        encoder: what is trained with the aggregator; None for features.
        bf16: whether the device has it.
        fixed_norms: whether batch norms use statistics that stay as they are.
    """
    lower = asked.precision == "fp32" and bf16
    if encoder is None:
        return [asked, *([Rung(BF16, 0, False, "bf16", "arithmetic")] if lower else [])]
    whole = min(asked.chunk or tiles, tiles)
    smaller = [] if has_batch_norm(encoder) and not fixed_norms else [chunk for chunk in CHUNKS if chunk < whole]
    changes = "draws of dropout" if _has_dropout(encoder) else ""
    rungs = [asked]
    rungs += [Rung(SMALLER_CHUNKS, chunk, asked.recompute, asked.precision, changes) for chunk in smaller]
    parted = [(asked.chunk, "")] if whole < tiles else []
    parted += [(chunk, changes) for chunk in smaller]
    if not asked.recompute:
        rungs += [Rung(RECOMPUTE, chunk, True, asked.precision, other) for chunk, other in parted]
    if lower:
        ways = [(chunk, True) for chunk, _ in parted] or [(asked.chunk, asked.recompute)]
        rungs += [Rung(BF16, chunk, recompute, "bf16", "arithmetic") for chunk, recompute in ways]
    return rungs


def _has_dropout(encoder: nn.Module) -> bool:
    """Whether a part of it draws by chance in training (dropout, stochastic depth)."""
    parts = [part for part in encoder.modules() if "Drop" in type(part).__name__]
    return any(getattr(part, "p", getattr(part, "drop_prob", 1)) for part in parts)


@dataclass
class Memory:
    """How a unit is kept within its memory. The estimate is made by :func:`harness.training.memory.fitting.fit_in`.

    Attributes:
        limit: bytes that the unit may take; None for what is free on the device.
        predicted: bags that are predicted besides those that the method validates with.
        position: on the ladder, from 0; an interrupted unit goes on no higher than it was.
        ceiling: bytes that it has to stay below, since more has turned out to be too much.
        estimate: bytes at its peak in the way that was chosen; None where that is not known.
        facts: for the record; see ``docs/evidence.md``.
        asked: the precision that was asked for, once another may be in use.
        held: bytes in use when the estimate was made, less what it counts itself.
    """

    limit: int | None = None
    predicted: Sequence[BagSource] = ()
    position: int = 0
    ceiling: int | None = None
    estimate: int | None = None
    facts: dict[str, Any] = field(default_factory=lambda: {"rung": AS_ASKED, "estimate_mb": None})
    asked: Literal["fp32", "bf16", "fp16"] | None = None
    held: int = 0

    def load(self, workdir: Path) -> None:
        """Go on where an interrupted attempt stood; a damaged note of it is none."""
        try:
            found = json.loads((workdir / FILE).read_text())
            self.position, self.ceiling = int(found["position"]), found["ceiling"]
        except (OSError, ValueError, KeyError, TypeError):
            return

    def save(self, workdir: Path) -> None:
        """Note where this attempt stands."""
        write_json(workdir / FILE, {"position": self.position, "ceiling": self.ceiling})

    def refuse(self, workdir: Path) -> bool:
        """Take note that memory has run out; whether there is an estimate to go down from."""
        if self.estimate is None:
            return False
        self.ceiling = round(NEXT * self.estimate)
        self.facts["ran_out"] = self.facts.get("ran_out", 0) + 1
        self.save(workdir)
        return True

    def account(self, compute: Mapping[str, Any], *, on_gpu: bool) -> dict[str, Any]:
        """The facts, with the peak that was measured.

        Args:
            compute: the meter's summary.
            on_gpu: whether the unit ran on one.
        """
        peak = compute.get("peak_gpu_allocated_mb" if on_gpu else "peak_rss_mb")
        if peak is None or self.estimate is None:
            return {**self.facts, "measured_mb": None}
        return {**self.facts, "measured_mb": round(peak - self.held / 1e6, 3)}
