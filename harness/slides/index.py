"""The tile index of a slide: where its tiles are, at every scale, and what it was made from."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import read_npz
from harness.core.atomic import replacing
from harness.core.errors import DataError
from harness.core.reading import parse_json
from harness.datasets.reading_tiles import Resampler
from harness.slides.grid import side_on_level0
from harness.slides.scale import Scale

_FORMAT = 2
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LOOKS_HASHED = re.compile(r".*-[0-9a-f]{12}")
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


@dataclass(frozen=True, eq=False)
class SlideIndex:
    """The tiles of one slide.

    Attributes:
        slide: slide id.
        path: the slide file or DICOM folder.
        mpp: microns per pixel of level 0.
        vendor: format of the slide.
        width: level-0 pixels across.
        height: level-0 pixels down.
        fingerprint: hash of every byte of the slide's files (``harness.datasets.content``).
        scales: magnifications, the finest first.
        coords: per scale, (n, 2) int64 level-0 top-left corners (x, y), row by row.
        settings_hash: hash of the settings that made it.
        sides: per scale, the side of a tile in level-0 pixels: what ``read_tiles`` takes.
        mpp_source: where ``mpp`` comes from.
        objective_power: of the objective, where known.
        tissue_mm2: tissue area.
        note: what a reader of the result should know.
        seconds: time that preparing took.
        perceptual: hash of how the thumbnail looks (``harness.protocols.perceptual``); empty in an old index.
        reader: name and version of the reader, if it is from a plugin.
        read_by: name of the reader; empty in an old index.
        resampler: how its tiles come to their resolution, see :class:`harness.datasets.card.InputSettings`.
    """

    slide: str
    path: Path
    mpp: float
    vendor: str
    width: int
    height: int
    fingerprint: str
    scales: tuple[Scale, ...]
    coords: tuple[NDArray[np.int64], ...]
    settings_hash: str
    sides: tuple[int, ...] = ()
    mpp_source: str = ""
    objective_power: float | None = None
    tissue_mm2: float = 0.0
    note: str = ""
    seconds: float = 0.0
    perceptual: str = ""
    reader: str = ""
    read_by: str = ""
    resampler: Resampler = "level"

    def __post_init__(self) -> None:
        if not self.sides:
            sides = tuple(side_on_level0(scale.tile_px, scale.mpp, self.mpp) for scale in self.scales)
            object.__setattr__(self, "sides", sides)
        if not len(self.scales) == len(self.coords) == len(self.sides):
            raise ValueError(f"{len(self.scales)} scales, {len(self.coords)} grids, {len(self.sides)} sides")

    @property
    def tiles_sha256(self) -> str:
        """Identity of what is read of the slide: scales, and where the tiles lie."""
        digest = hashlib.sha256(json.dumps([[s.mpp, s.tile_px] for s in self.scales]).encode())
        for side, grid in zip(self.sides, self.coords, strict=True):
            digest.update(f"{side} {grid.shape}".encode())
            digest.update(np.ascontiguousarray(grid, "<i8").tobytes())
        if self.resampler != "level":
            digest.update(self.resampler.encode())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write to ``path`` (.npz), atomically."""
        meta = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in {"path", "scales", "coords", "sides"}
        }
        meta |= {"format": _FORMAT, "path": str(self.path), "sides": list(self.sides)}
        meta["scales"] = [[scale.mpp, scale.tile_px] for scale in self.scales]
        grids = {f"coords_{number}": grid for number, grid in enumerate(self.coords)}
        text = np.frombuffer(json.dumps(meta, ensure_ascii=True).encode(), np.uint8)
        with replacing(path) as temporary:
            np.savez_compressed(temporary, allow_pickle=False, meta=text, **grids)

    @classmethod
    def load(cls, path: Path) -> SlideIndex:
        """Read what ``save`` wrote.

        Raises:
            DataError: missing, damaged, or of another version of the format.
        """
        try:
            file = read_npz(path)
            meta: dict[str, Any] = parse_json(file["meta"].tobytes())
            if meta.pop("format") != _FORMAT:
                raise DataError("the tile index is of another version", place=str(path), fix="prepare the slide again")
            meta["scales"] = tuple(Scale(float(mpp), int(tile_px)) for mpp, tile_px in meta["scales"])
            meta["coords"] = tuple(_grid(file[f"coords_{number}"]) for number in range(len(meta["scales"])))
            meta["sides"] = tuple(meta["sides"])
            meta["path"] = Path(meta["path"])
            return cls(**meta)
        except FileNotFoundError:
            raise DataError("the slide has no tile index", place=str(path), fix="run bench prepare DATASET") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise DataError(
                f"the tile index is damaged: {' '.join(str(problem).split())}",
                place=str(path),
                fix="delete it and prepare the slide again",
            ) from problem


def load(path: Path) -> SlideIndex:
    """Read a tile index; see ``SlideIndex.load``."""
    return SlideIndex.load(path)


def index_path(folder: Path, slide: str) -> Path:
    """Where the index of ``slide`` is, under the folder that ``prepare_slides`` wrote to."""
    return folder / "index" / f"{safe_name(slide)}.npz"


def qc_path(folder: Path, slide: str) -> Path:
    """Where the picture for quality control of ``slide`` is."""
    return folder / "qc" / f"{safe_name(slide)}.jpg"


def thumbnail_path(folder: Path, slide: str) -> Path:
    """Where the thumbnail of ``slide`` is, by which the leak audit compares slides."""
    return folder / "thumbnails" / f"{safe_name(slide)}.jpg"


def safe_name(slide: str) -> str:
    """A file name for any slide id: the id itself where it can be one, else what is left of it and a hash."""
    plain = _PLAIN.fullmatch(slide) and not slide.endswith(".") and not _LOOKS_HASHED.fullmatch(slide)
    if plain and slide.split(".")[0].lower() not in _RESERVED:
        return slide
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", slide).strip("_-")[:60] or "slide"
    return f"{readable}-{hashlib.sha256(slide.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _grid(values: NDArray[Any]) -> NDArray[np.int64]:
    if values.dtype != np.int64 or values.ndim != 2 or values.shape[1] != 2:
        raise ValueError(f"coordinates are {values.dtype} {values.shape}")
    return values
