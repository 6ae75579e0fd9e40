"""The memory fallbacks: what is changed about a training that does not fit, in the order in which it is tried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

CHUNKS = (256, 64, 16)
"""Tiles per pass that are tried, the largest first. Few and round, so that similar machines choose the same."""

Kind = Literal["none", "chunks", "recompute", "bf16"]
_KINDS: tuple[Kind, ...] = ("none", "chunks", "recompute", "bf16")


@dataclass(frozen=True)
class Fallback:
    """One way to train.

    Attributes:
        kind: ``none`` as configured, ``chunks`` smaller chunks, ``recompute`` activation checkpointing as well,
            ``bf16`` lower precision as well.
        chunk: most tiles per pass through an encoder; 0 leaves that as configured.
    """

    kind: Kind = "none"
    chunk: int = 0

    @property
    def recompute(self) -> bool:
        """Whether activations are computed a second time instead of being stored."""
        return self.kind in {"recompute", "bf16"}

    @property
    def position(self) -> tuple[int, float]:
        """Where it stands in the order in which fallbacks are tried."""
        return _KINDS.index(self.kind), -(self.chunk or float("inf"))

    @property
    def description(self) -> str:
        """In words."""
        parts = [f"chunks of {self.chunk} tiles"] if self.chunk else []
        parts += ["activation checkpointing"] if self.recompute and (self.chunk or self.kind == "recompute") else []
        parts += ["bf16"] if self.kind == "bf16" else []
        return ", ".join(parts) or "as configured"


@dataclass
class EncoderUse:
    """How tiles have gone through encoders with gradient so far: what decides which fallbacks can help.

    Attributes:
        tiles: most tiles in one call.
        chunk: most tiles that went through an encoder at once, as configured.
        divisible: whether smaller chunks are possible: no batch norm takes its statistics over a chunk.
        recomputes: whether activations are recomputed already.
        draws: whether an encoder has dropout, whose draws depend on the chunks.
    """

    tiles: int = 0
    chunk: int = 0
    divisible: bool = False
    recomputes: bool = False
    draws: bool = False

    def take_in(self, tiles: int, chunk: int, *, divisible: bool, recomputes: bool, draws: bool) -> None:
        """Note a call: so many tiles, ``chunk`` at once as configured (0 for all)."""
        self.recomputes = recomputes and (self.recomputes or not self.tiles)
        self.tiles, self.chunk = max(self.tiles, tiles), max(self.chunk, min(chunk or tiles, tiles))
        self.divisible, self.draws = self.divisible or divisible, self.draws or draws

    def fallbacks(self, *, bf16: bool) -> Iterator[Fallback]:
        """Those that can help, in order: they cost time first and change numbers last.

        Recomputing saves activations only where there is more than one chunk.

        Args:
            bf16: whether the run computes in fp32 on a device that has bf16.
        """
        smaller = [chunk for chunk in CHUNKS if chunk < self.chunk] if self.divisible else []
        for chunk in smaller:
            yield Fallback("chunks", chunk)
        last = smaller[-1] if smaller else 0
        if not self.recomputes:
            if self.chunk < self.tiles:
                yield Fallback("recompute", 0)
            for chunk in smaller:
                yield Fallback("recompute", chunk)
        if bf16:
            yield Fallback("bf16", last)
