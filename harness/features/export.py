"""Packed features written out again in the layouts of other tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from harness.core import console
from harness.core.atomic import replacing
from harness.encoders.spelling import UNKNOWN
from harness.features.store import FeatureStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

ExportFormat = Literal["trident", "clam"]
FORMATS: tuple[ExportFormat, ...] = ("trident", "clam")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: the folder that another tool, or ``bench datasets new --features``, takes.
        slides: how many slides.
        without_coords: slides whose coordinates are unknown, or not in level-0 pixels.
    """

    folder: Path
    slides: int
    without_coords: int


def export(store: FeatureStore, slides: Iterable[str], to: Path, format: ExportFormat) -> Exported:
    """Write the features of some slides, one slide after the other; files that are there are replaced.

    Args:
        store: packed features.
        slides: which slides.
        to: folder to write to.
        format: ``trident`` (``features_<encoder>/<slide>.h5``) or ``clam`` (``pt_files`` and ``h5_files``).
    """
    names = list(slides)
    pixels = store.manifest.header.provenance.get("unit", "level0_px") == "level0_px"
    write: Callable[..., None] = {"trident": _trident, "clam": _clam}[format]
    encoder = "".join(c if c.isalnum() or c in "._+-@" else "-" for c in store.key.encoder)
    folder = to / f"features_{encoder}" if format == "trident" else to
    without = 0
    with console.progress("exporting features", len(names)) as bar:
        for slide in names:
            coords = store.coords(slide) if pixels else None
            without += coords is None
            write(store, slide, coords, folder)
            bar.advance(status=slide)
    return Exported(folder, len(names), without)


def _trident(store: FeatureStore, slide: str, coords: NDArray[np.int64] | None, folder: Path) -> None:
    key, side = store.key, store.manifest.slides[slide].side
    about: dict[str, Any] = {"name": slide}
    about |= {"patch_size": key.tile_px} if key.tile_px else {}
    about |= {"patch_size_level0": round(side)} if side else {}
    if magnification := store.manifest.header.provenance.get("magnification"):
        about["target_magnification"] = magnification
    encoder = {} if key.encoder == UNKNOWN else {"encoder": key.encoder}
    _h5(folder / f"{slide}.h5", store.bag(slide), coords, encoder | {"name": slide}, about)


def _clam(store: FeatureStore, slide: str, coords: NDArray[np.int64] | None, folder: Path) -> None:
    import torch

    rows = np.array(store.bag(slide), np.float32)
    with replacing(folder / "pt_files" / f"{slide}.pt") as temporary:
        torch.save(torch.from_numpy(rows), temporary)
    places = None if coords is None else coords.astype(np.int32)
    _h5(folder / "h5_files" / f"{slide}.h5", rows, places, {}, {})


def _h5(path: Path, rows: Any, coords: Any, about_features: dict[str, Any], about_coords: dict[str, Any]) -> None:
    """One piece per data set: it is read at the speed of the disk, which chunks of single rows are not."""
    import h5py

    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset("features", data=rows).attrs.update(about_features)
        if coords is not None:
            file.create_dataset("coords", data=coords).attrs.update(about_coords)
