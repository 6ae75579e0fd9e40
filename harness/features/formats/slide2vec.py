"""slide2vec: ``tile_embeddings/<id>.pt`` or ``.npz`` with ``<id>.meta.json``, and coordinates in ``tiles``.

Layout: clemsgrs/slide2vec at 6cfa6bf (version 4). The JSON file names encoder, width, tile size and requested spacing;
``tiles/<id>.coordinates.npz`` has ``x`` and ``y`` in level-0 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.core.errors import DataError
from harness.core.reading import read_json
from harness.features.formats.base import Facts, FeatureFile, FeatureFormat, Options, SlideFeatures, damaged
from harness.features.formats.ids import slide_of
from harness.features.formats.listing import Listing
from harness.features.formats.npfile import npz_arrays
from harness.features.formats.numbers import pixels, positive, text
from harness.features.formats.ptfile import read_pt
from harness.features.formats.shapes import corners, feature_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

_META, _COORDS = ".meta.json", ".coordinates.npz"


@dataclass(frozen=True)
class Slide2Vec(FeatureFormat):
    """Tile embeddings of slide2vec."""

    name: ClassVar[str] = "slide2vec"
    title: ClassVar[str] = "slide2vec (tile_embeddings with .meta.json)"

    def read(self, file: FeatureFile) -> SlideFeatures:
        """Features, corners and facts of one slide."""
        about = _about(file)
        index: NDArray[Any] | None = None
        if file.path.suffix.lower() == ".npz":
            arrays = npz_arrays(file.path)
            if "features" not in arrays:
                raise damaged(file.path, f"it has no array features; it holds {', '.join(arrays) or 'nothing'}")
            rows, index = feature_rows(arrays["features"], file.place), arrays.get("tile_index")
        else:
            rows = read_pt(file.path, self.options).features
        _compare(about, rows, file)
        raw, notes = _coordinates(file, index)
        coords, more = corners(raw, len(rows))
        facts = Facts(
            encoder=text(about.get("encoder_name")),
            tile_px=pixels(about.get("requested_tile_size_px")),
            mpp=positive(about.get("requested_spacing_um")),
        )
        side = positive(about.get("tile_size_lv0"))
        return SlideFeatures(rows, coords, side=side, facts=facts, notes=(*notes, *more))


def _about(file: FeatureFile) -> dict[str, Any]:
    meta = next(path for path in file.beside if path.name.endswith(_META))
    try:
        about = read_json(meta)
    except (OSError, ValueError) as reason:
        raise damaged(meta, reason) from reason
    if not isinstance(about, dict):
        raise damaged(meta, "it is no JSON object")
    return about


def _compare(about: dict[str, Any], rows: NDArray[Any], file: FeatureFile) -> None:
    for key, have in (("feature_dim", rows.shape[1]), ("num_tiles", len(rows))):
        said = about.get(key)
        if isinstance(said, int) and said != have and (len(rows) or key == "num_tiles"):
            raise DataError(
                f"{key} is {said} in {slide_of(file.path.name)}{_META} and {have} in the file of features",
                place=str(file.path),
                fix="make the features of this slide again, or leave it out with --partial",
            )


def _coordinates(file: FeatureFile, index: NDArray[Any] | None) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    """(n, 2) as they stand in the file of the tiles, in the order of the features."""
    path = next((one for one in file.beside if one.name.endswith(_COORDS)), None)
    if path is None:
        return None, ()
    try:
        arrays = npz_arrays(path)
        found = np.stack([arrays["x"], arrays["y"]], axis=1)
        number = arrays.get("tile_index")
    except (DataError, KeyError, ValueError) as reason:
        return None, (f"the coordinates are left out: {reason}",)
    if index is not None and number is not None and not np.array_equal(index, number):
        rows = {int(one): row for row, one in enumerate(number.tolist())}
        if any(int(one) not in rows for one in index.tolist()):
            return None, ("tiles without coordinates: coordinates are left out",)
        found = found[[rows[int(one)] for one in index.tolist()]]
    return found, ()


def find(listing: Listing, options: Options) -> list[FeatureFormat]:
    """The sets of slide2vec's tile embeddings in a folder; a folder per annotation class is a set of its own."""
    sets: dict[Path, list[FeatureFile]] = {}
    for folder, by_suffix in listing.folders.items():
        metas = {name for name in by_suffix.get(".json", ()) if name.endswith(_META)}
        if not metas or listing.aside(folder):
            continue
        for name in (name for suffix in (".pt", ".npz") for name in by_suffix.get(suffix, ())):
            slide = slide_of(name)
            if f"{slide}{_META}" in metas:
                beside = (folder / f"{slide}{_META}", *_tiles(folder, slide))
                sets.setdefault(folder, []).append(FeatureFile(slide, folder / name, beside=beside))
    return [Slide2Vec(root, files, options=options) for root, files in sets.items()]


def _tiles(folder: Path, slide: str) -> tuple[Path, ...]:
    places = (folder.parent / "tiles", folder, folder.parent.parent / "tiles")
    found = (place / f"{slide}{_COORDS}" for place in places)
    return next(((path,) for path in found if path.is_file()), ())
