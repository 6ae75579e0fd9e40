"""What the names of folders say about features: TRIDENT's ``20x_256px_0px_overlap/features_uni_v1``."""

from __future__ import annotations

import re
from pathlib import Path

from harness.features.formats.base import Facts

_FEATURES = re.compile(r"(?:features|feats)_(?P<encoder>[A-Za-z0-9][\w.@+-]*)")
_TILES = re.compile(r"(?P<mag>\d+(?:\.\d+)?)x_(?P<px>\d+)px_\d+px_overlap")


def hints_of(root: Path) -> Facts:
    """Facts that the names of a set's folder and of the one above it suggest."""
    encoder = _FEATURES.fullmatch(root.name)
    tiles = _TILES.fullmatch(root.parent.name)
    return Facts(
        encoder=encoder["encoder"] if encoder else None,
        tile_px=int(tiles["px"]) if tiles else None,
        magnification=float(tiles["mag"]) if tiles else None,
    )
