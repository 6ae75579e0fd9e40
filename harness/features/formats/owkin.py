"""Owkin's layouts: ``<slide.ext>/features.npy`` with three leading columns that are no features.

Layout: owkin/HistoSSLscaling at 73f1d19, and the TilingTool's folders (with ``metadata.json``). The columns are level,
x and y of a tile in a DeepZoom pyramid. A network would learn from them without complaint: they are cut off wherever
they are seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.core.reading import read_json
from harness.features.formats.base import Facts, FeatureFile, FeatureFormat, Options, SlideFeatures
from harness.features.formats.listing import Listing
from harness.features.formats.npfile import npy_array
from harness.features.formats.numbers import pixels, positive, text
from harness.features.formats.shapes import feature_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

ADDRESS_COLUMNS = 3
_FILE, _ABOUT = "features.npy", "metadata.json"
_DEEPEST = 30


@dataclass(frozen=True)
class Owkin(FeatureFormat):
    """Folders of HistoSSLscaling and of the TilingTool."""

    name: ClassVar[str] = "owkin"
    title: ClassVar[str] = "Owkin (features.npy with three leading columns)"

    def read(self, file: FeatureFile) -> SlideFeatures:
        """Features without the leading columns; corners where the slide's size is stated."""
        found = feature_rows(npy_array(file.path), file.place)
        rows, notes = without_addresses(found)
        about = _about(file)
        px, side = pixels(about.get("tile_size")), positive(about.get("absolute_tile_size"))
        facts = Facts(text(about.get("features_extractor")), px, positive(about.get("tile_mpp")))
        if rows.shape[1] == found.shape[1] or not len(rows):
            return SlideFeatures(rows, facts=facts)
        if side is None and px is not None:
            side = _side(px, about.get("slide_size"), int(found[0, 0]))
        if side is None:
            return SlideFeatures(rows, facts=facts, notes=(*notes, "tile addresses in a slide of unknown size"))
        coords = np.rint(found[:, 1:ADDRESS_COLUMNS].astype(np.float64) * side).astype(np.int64)
        return SlideFeatures(rows, coords, side=side, facts=facts, notes=notes)


def has_addresses(rows: NDArray[np.floating[Any]]) -> bool:
    """Whether the first three columns are level, x and y of tiles: whole numbers, one level, other tiles."""
    if not len(rows) or rows.shape[1] <= ADDRESS_COLUMNS:
        return False
    if not _whole(rows[:4, :ADDRESS_COLUMNS]):
        return False  # features, at once
    head = rows[:, :ADDRESS_COLUMNS].astype(np.float64)
    if not _whole(head):
        return False
    # float16 rounds large addresses, so that two tiles may seem to have the same.
    if head[0, 0] > _DEEPEST or (head[:, 0] != head[0, 0]).any() or 2 * len(np.unique(head, axis=0)) < len(head):
        return False
    rest = rows[: min(len(rows), 64), ADDRESS_COLUMNS:]
    return not bool((rest == np.rint(rest)).all()) and (len(rows) > 1 or bool(head.any()))


def _whole(values: NDArray[np.floating[Any]]) -> bool:
    """Whether all are whole numbers, none negative."""
    return bool((np.isfinite(values) & (values >= 0) & (values == np.rint(values))).all())


def without_addresses(rows: NDArray[np.floating[Any]]) -> tuple[NDArray[np.floating[Any]], tuple[str, ...]]:
    """The rows without leading columns of tile addresses, and a note where there were some."""
    if not has_addresses(rows):
        return rows, ()
    return rows[:, ADDRESS_COLUMNS:], ("three leading columns are tile addresses, not features: they are left out",)


def _about(file: FeatureFile) -> dict[str, Any]:
    for path in file.beside:
        try:
            about = read_json(path)
        except (OSError, ValueError):
            return {}
        return about if isinstance(about, dict) else {}
    return {}


def _side(px: int, size: Any, level: int) -> float | None:
    """Side of a tile at level 0: DeepZoom halves a slide from level to level until one pixel is left."""
    if not (isinstance(size, list | tuple) and size and all(positive(one) for one in size)):
        return None
    deepest = math.ceil(math.log2(max(float(one) for one in size)))
    return px * 2.0 ** (deepest - level)


def find(listing: Listing, options: Options) -> list[FeatureFormat]:
    """Folders of a slide each, in one set."""
    files, roots = [], set()
    for folder, by_suffix in listing.folders.items():
        if _FILE in by_suffix.get(".npy", ()) and not listing.aside(folder) and folder != listing.base:
            beside = (folder / _ABOUT,) if _ABOUT in by_suffix.get(".json", ()) else ()
            files.append(FeatureFile(folder.name, folder / _FILE, beside=beside))
            roots.add(folder.parent)
    if not files:
        return []
    root: Path = roots.pop() if len(roots) == 1 else listing.base
    return [Owkin(root, files, options=options)]
