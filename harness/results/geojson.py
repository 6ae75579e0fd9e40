"""Attention as GeoJSON for QuPath: tiles and tissue as polygons in pixels of level 0."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.results.attention import colours, relative_strength

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ring = Sequence[Sequence[float]]
"""Corners as (x, y) in level-0 pixels; the last is the first."""

_TISSUE = [90, 110, 130]


def heatmap_geojson(
    slide: str,
    coords_x0: NDArray[np.int64],
    side_x0: float,
    weights: NDArray[np.floating],
    tissue: Sequence[Sequence[Ring]] = (),
) -> str:
    """The text of a GeoJSON file.

    A tile is an object of type ``tile`` with the measurements ``attention`` (weights of a slide sum to one),
    ``attention times even share``, and ``attention strength`` (0 to 1, which its colour shows). Tissue comes first, as
    annotations.

    Args:
        slide: its id; ids of objects follow from it, so that the same file is written again.
        coords_x0: top-left corners of the tiles in level-0 pixels, (n, 2) as x, y.
        side_x0: side of a tile in level-0 pixels.
        weights: attention of each tile, (n,).
        tissue: pieces of tissue, each its outline and then its holes.
    """
    features = [*_tissue(slide, tissue), *_tiles(slide, np.asarray(coords_x0, np.float64), side_x0, weights)]
    return json.dumps({"type": "FeatureCollection", "features": features}, allow_nan=False, separators=(",", ":"))


def _tissue(slide: str, pieces: Sequence[Sequence[Ring]]) -> Iterator[dict[str, Any]]:
    for number, rings in enumerate(pieces):
        properties = {
            "objectType": "annotation",
            "name": f"tissue {number + 1}",
            "classification": {"name": "Tissue", "color": _TISSUE},
            "isLocked": True,
        }
        corners = [[list(map(float, corner)) for corner in ring] for ring in rings]
        yield _feature(f"{slide}/tissue/{number}", corners, properties)


def _tiles(
    slide: str, coords: NDArray[np.float64], side: float, weights: NDArray[np.floating]
) -> Iterator[dict[str, Any]]:
    strength = relative_strength(weights)
    shades = np.rint(colours(strength)).astype(int)
    shares = np.asarray(weights, np.float64) * len(weights)
    for number, (x, y) in enumerate(coords.tolist()):
        ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
        properties = {
            "objectType": "tile",
            "color": shades[number].tolist(),
            "measurements": {
                "attention": float(weights[number]),
                "attention times even share": float(shares[number]),
                "attention strength": float(strength[number]),
            },
        }
        yield _feature(f"{slide}/tile/{number}", [ring], properties)


def _feature(name: str, rings: list[list[list[float]]], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"wsibench:{name}")),
        "geometry": {"type": "Polygon", "coordinates": rings},
        "properties": properties,
    }
