"""Tile encoders: those of the field by name, timm's networks by theirs, truncated ResNets, small ones of our own."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from harness.encoders.names import EncoderName, parse_name

if TYPE_CHECKING:
    from harness.encoders.base import TileEncoder
    from harness.encoders.build import build_encoder
    from harness.encoders.weights import weights_sha256

__all__ = ["EncoderName", "TileEncoder", "build_encoder", "parse_name", "weights_sha256"]

# Names that need torch are loaded when they are first used.
_LAZY = {
    "TileEncoder": "harness.encoders.base",
    "build_encoder": "harness.encoders.build",
    "weights_sha256": "harness.encoders.weights",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'harness.encoders' has no attribute {name!r}")
