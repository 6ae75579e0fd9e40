"""slideflow: ``<slide>.pt`` with ``<slide>.index.npz``, and ``bags_config.json`` for the folder.

Layout: jamesdolezal/slideflow at fec8fc5. The index holds the *centres* of the tiles in level-0 pixels; ``tile_um`` is
in microns, or a magnification such as ``20x``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from harness.core.reading import read_json
from harness.features.formats.base import Facts, FeatureFile, FeatureFormat, Options, SlideFeatures, damaged
from harness.features.formats.ids import slide_of
from harness.features.formats.listing import Listing
from harness.features.formats.npfile import npz_arrays
from harness.features.formats.numbers import pixels, positive, text
from harness.features.formats.ptfile import read_pt
from harness.features.formats.shapes import corners

if TYPE_CHECKING:
    from numpy.typing import NDArray

_INDEX, _CONFIG = ".index.npz", "bags_config.json"


@dataclass(frozen=True)
class Slideflow(FeatureFormat):
    """Bags of slideflow."""

    name: ClassVar[str] = "slideflow"
    title: ClassVar[str] = "slideflow (.pt with .index.npz)"
    facts: Facts = field(default=Facts(), kw_only=True)

    def read(self, file: FeatureFile) -> SlideFeatures:
        """Features, and corners computed from the centres, of one slide."""
        rows = read_pt(file.path, self.options).features
        arrays = npz_arrays(file.beside[0])
        raw = arrays.get("arr_0")
        coords, notes = corners(raw, len(rows))
        side = None if coords is None else _spacing(coords)
        if coords is not None and side is None:
            coords, notes = None, (*notes, "centres of tiles of unknown size are left out")
        elif coords is not None and side is not None:
            coords = coords - side // 2
        return SlideFeatures(rows, coords, side=side, facts=self.facts, notes=notes)


def _spacing(centres: NDArray[np.int64]) -> int | None:
    """The distance of neighbouring tiles: slideflow lays them side by side."""
    steps = np.concatenate([np.diff(np.unique(centres[:, axis])) for axis in (0, 1)])
    return int(steps.min()) if len(steps) else None


def _facts(folder: Path) -> Facts:
    path = folder / _CONFIG
    if not path.is_file():
        return Facts()
    try:
        about = read_json(path)
    except (OSError, ValueError) as reason:
        raise damaged(path, reason) from reason
    about = about if isinstance(about, dict) else {}
    px, size = pixels(about.get("tile_px")), about.get("tile_um")
    magnification = re.fullmatch(r"(\d+(?:\.\d+)?)x", size.strip().lower()) if isinstance(size, str) else None
    um = positive(size)
    extractor = about.get("extractor")
    named = extractor.get("class") if isinstance(extractor, dict) else extractor
    return Facts(
        encoder=text(named),
        tile_px=px,
        mpp=um / px if um and px else None,
        magnification=float(magnification[1]) if magnification else None,
    )


def find(listing: Listing, options: Options) -> list[FeatureFormat]:
    """The folders of slideflow's bags below a folder."""
    sets: list[FeatureFormat] = []
    for folder, by_suffix in listing.folders.items():
        indices = {name for name in by_suffix.get(".npz", ()) if name.endswith(_INDEX)}
        names = [name for name in by_suffix.get(".pt", ()) if f"{slide_of(name)}{_INDEX}" in indices]
        if names and not listing.aside(folder):
            files = [
                FeatureFile(slide_of(name), folder / name, beside=(folder / f"{slide_of(name)}{_INDEX}",))
                for name in names
            ]
            sets.append(Slideflow(folder, files, options=options, facts=_facts(folder)))
    return sets
