"""LazySlide (SpatialData): ``<slide>.zarr`` with a table of features and the polygons of the tiles.

Layout: rendeirolab/LazySlide at 2dbdc42, wsidata at 3aac963. ``tables/<model>_<tile key>`` is an AnnData table whose
``obs/tile_id`` points to rows of ``shapes/<tile key>``; ``tile_spec`` among the attributes has the tile's size and
resolution. Needs the extra ``zarr``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.core.errors import DataError, UsageError
from harness.encoders.spelling import same
from harness.features.formats.base import Facts, FeatureFile, FeatureFormat, Options, SlideFeatures, damaged
from harness.features.formats.ids import slide_of
from harness.features.formats.listing import Listing
from harness.features.formats.numbers import pixels, positive
from harness.features.formats.shapes import corners, feature_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class LazySlide(FeatureFormat):
    """Stores of LazySlide; the table is chosen by the encoder where there are several."""

    name: ClassVar[str] = "lazyslide"
    title: ClassVar[str] = "LazySlide, SpatialData (.zarr)"

    def read(self, file: FeatureFile) -> SlideFeatures:
        """Features, corners and facts of one slide."""
        store = _opened(file.path)
        try:
            table = store[f"tables/{file.member}"]
            rows = feature_rows(_matrix(table["X"]), file.place)
            spec, tiles = _tiles(store, file.member)
            raw, notes = _coordinates(file.path, table, tiles, len(rows))
        except DataError:
            raise
        except Exception as reason:  # the zarr library raises of every kind on what is damaged
            raise damaged(file.place, f"{type(reason).__name__}: {reason}") from reason
        coords, more = corners(raw, len(rows))
        model = file.member.removesuffix(f"_{tiles}") if tiles else file.member
        facts = Facts(model, pixels(spec.get("width")), positive(spec.get("mpp")))
        side = positive(spec.get("base_width")) or positive(spec.get("raw_width"))
        return SlideFeatures(rows, coords, side=side, facts=facts, notes=(*notes, *more))


def _opened(path: Path) -> Any:
    try:
        import zarr
    except ImportError as reason:
        raise DataError(
            "reading .zarr needs a package that is not installed",
            place=str(path),
            fix="pip install 'wsibench[zarr]'",
        ) from reason
    try:
        return zarr.open_group(str(path), mode="r")
    except Exception as reason:
        raise damaged(path, f"{type(reason).__name__}: {reason}") from reason


def _matrix(found: Any) -> NDArray[Any]:
    """X of a table, dense or by compressed rows."""
    if not hasattr(found, "keys"):
        return np.asarray(found[...])
    from scipy.sparse import csc_matrix, csr_matrix

    kind = str(found.attrs.get("encoding-type", "csr_matrix"))
    parts = (np.asarray(found["data"][...]), np.asarray(found["indices"][...]), np.asarray(found["indptr"][...]))
    rows, columns = (int(size) for size in found.attrs["shape"])
    shape = (rows, columns)
    matrix = csc_matrix(parts, shape) if kind == "csc_matrix" else csr_matrix(parts, shape)
    return np.asarray(matrix.toarray())


def _tiles(store: Any, member: str) -> tuple[Mapping[str, Any], str]:
    """The tile specification that a table belongs to, and the name of its shapes."""
    specs = _specs(dict(store.attrs))
    shapes = list(store["shapes"]) if "shapes" in store else []
    tiles = next((name for name in sorted(shapes, key=len, reverse=True) if member.endswith(f"_{name}")), "")
    tiles = tiles or (shapes[0] if len(shapes) == 1 else "")
    return specs.get(tiles, {}), tiles


def _specs(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    for holder in (attributes, *(value for value in attributes.values() if isinstance(value, Mapping))):
        if isinstance(found := holder.get("tile_spec"), Mapping):
            return {name: spec for name, spec in found.items() if isinstance(spec, Mapping)}
    return {}


def _coordinates(path: Path, table: Any, tiles: str, count: int) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    """Corners of the tiles by ``tile_id``; the order of the two tables need not be the same."""
    shapes = path / "shapes" / tiles / "shapes.parquet"
    if not tiles or not shapes.is_file():
        return None, ()
    import pandas as pd

    frame = pd.read_parquet(shapes)
    if {"x", "y"} <= set(frame.columns):
        places = frame[["x", "y"]].to_numpy(np.float64)
    else:
        places = np.array([_corner(bytes(one)) for one in frame["geometry"]], np.float64).reshape(-1, 2)
    ids = frame["tile_id"] if "tile_id" in frame.columns else frame.index
    row_of = {str(one): row for row, one in enumerate(ids)}
    if "tile_id" not in table["obs"]:
        return (places, ()) if len(places) == count else (None, ("tiles without ids: coordinates are left out",))
    wanted = [str(one) for one in np.asarray(table["obs/tile_id"][...]).tolist()]
    if missing := sum(one not in row_of for one in wanted):
        return None, (f"{missing} tiles have no polygon: coordinates are left out",)
    return places[[row_of[one] for one in wanted]], ()


def _corner(wkb: bytes) -> tuple[float, float]:
    """Top-left corner of a polygon in well-known binary (OGC 06-103r4, 8.2)."""
    order = "<" if wkb[0] == 1 else ">"
    kind, rings, points = struct.unpack_from(f"{order}III", wkb, 1)
    if kind % 1000 != 3 or rings < 1:
        raise ValueError("the shape of a tile is no polygon")
    ring = np.frombuffer(wkb, f"{order}f8", 2 * points, 13).reshape(-1, 2)
    return float(ring[:, 0].min()), float(ring[:, 1].min())


def find(listing: Listing, options: Options) -> list[FeatureFormat]:
    """The stores below a folder, with the table of one encoder.

    Raises:
        UsageError: the stores hold tables of several encoders, and none of them is asked for.
    """
    paths = [path for path in listing.files(".zarr") if path.is_dir()]
    if not paths:
        return []
    member = _choose(paths, options)
    files = [FeatureFile(slide_of(path.name), path, member) for path in paths]
    return [LazySlide(listing.base, files, options=options)]


def _choose(paths: list[Path], options: Options) -> str:
    names = next((found for path in paths[:8] if (found := sorted(_tables(path)))), [])
    if options.encoder is not None:
        for name in names:
            parts = name.split("_")
            if any(same("_".join(parts[:end]), options.encoder) for end in range(1, len(parts) + 1)):
                return name
    if len(names) == 1:
        return names[0]
    if not names:
        raise damaged(paths[0], "it has no table of features")
    raise UsageError(
        f"the stores hold {len(names)} tables of features: {', '.join(names)}",
        place=str(paths[0]),
        fix="choose one with --encoder",
    )


def _tables(path: Path) -> Iterator[str]:
    try:
        store = _opened(path)
        for name in store.get("tables", ()):
            if "X" in store[f"tables/{name}"]:
                yield name
    except DataError as problem:
        if "not installed" in problem.problem:
            raise
    except Exception:  # a store that is damaged; another one may not be
        return
