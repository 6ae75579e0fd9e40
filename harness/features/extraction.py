"""How features are made, where that can be chosen."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.features.manifest import DType


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """How features are made.

    Attributes:
        precision: number type of the encoder's arithmetic: ``fp32``, ``bf16`` or ``fp16``.
        dtype: number type on disk.
        batch: tiles per pass; it has no part in what comes out, up to the last bits.
        devices: GPUs that encode; on a CPU, threads.
    """

    precision: str = "fp32"
    dtype: DType = "float16"
    batch: int = 256
    devices: int = 1

    @property
    def identity(self) -> dict[str, str]:
        """What tells the features from those that are made without a choice."""
        usual = Extraction()
        names = ("precision", "dtype")
        return {name: getattr(self, name) for name in names if getattr(self, name) != getattr(usual, name)}


def set_name(encoder: str, mpp: float, tile_px: int, digest: str) -> str:
    """A set's name in the cache, for people: ``uni_v1-0.5mpp-256px-1f3a5b7c``.

    Args:
        encoder: as it was named; of a file, its name alone.
        mpp: microns per pixel; 0 where unknown.
        tile_px: side of a tile.
        digest: hash of all that the features depend on.
    """
    network, _, file = encoder.partition("=")
    words = [re.sub(r"[^\w.@+-]+", "_", network.rpartition("/")[2] or network)]
    words += ["file"] * bool(file) + [f"{mpp:g}mpp"] * bool(mpp) + [f"{tile_px}px", digest[:8]]
    return "-".join(words)
