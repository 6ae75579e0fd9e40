"""Lesion outlines from ASAP's XML, and how much of a tile they cover.

Annotations are used for localisation scores, and for training by methods whose card says that they need masks (of
training and validation slides only). The files come from elsewhere, so the reader takes no document type (and with it
no entity), and builds no tree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import DataError
from harness.core.reading import MEBIBYTE, open_regular

Polygon = NDArray[np.float64]
"""Corners as (x, y) in level-0 pixels, (n, 2)."""

_POSITIVE = frozenset({"_0", "_1", "tumor", "metastases"})
_NEGATIVE = frozenset({"_2", "exclusion", "none", "normal"})
_CELLS_PER_TILE = 16
_MAX_CELLS = 1 << 24
_LARGEST = 256 * MEBIBYTE


@dataclass(frozen=True)
class Annotations:
    """Outlines of lesions (``positive``) and of normal tissue cut out of them (``negative``), level-0 pixels."""

    positive: tuple[Polygon, ...]
    negative: tuple[Polygon, ...] = ()

    @property
    def bounds(self) -> tuple[float, float, float, float] | None:
        """Smallest box around all lesions as (left, top, right, bottom); None without lesions."""
        if not self.positive:
            return None
        corners = np.concatenate(self.positive)
        (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        return left, top, right, bottom


def read_asap(path: Path) -> Annotations:
    """Read an annotation file of ASAP, as CAMELYON16 and CAMELYON17 use it.

    Groups ``_0``, ``_1``, ``Tumor`` and ``metastases`` are lesions; ``_2``, ``Exclusion``, ``None`` and ``normal`` are
    cut out of them. Annotations of fewer than three points (dots, rulers) enclose nothing and are left out.

    Raises:
        DataError: unreadable, no regular file of at most 256 MiB, not ASAP's XML, with a document type, of an unknown
            group, or with coordinates that are not finite numbers.
    """
    reader = _Reader(path)
    try:
        with open_regular(path, limit=_LARGEST) as file:
            reader.parser.ParseFile(file)
    except OSError as error:
        raise DataError(
            f"annotation cannot be read: {error.strerror}", place=str(path), fix="check the file and its permissions"
        ) from error
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: an encoding that expat has not
        raise _bad(path, f"annotation is not well-formed XML ({error})") from error
    if not reader.seen_root:
        raise _bad(path, "no ASAP_Annotations in the file")
    return Annotations(tuple(reader.positive), tuple(reader.negative))


@dataclass
class _Reader:
    """Handlers for one file."""

    path: Path
    positive: list[Polygon] = field(default_factory=list)
    negative: list[Polygon] = field(default_factory=list)
    seen_root: bool = False
    group: str | None = None
    points: list[tuple[float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parser: Any = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def _doctype(self, *_: object) -> None:
        # Entities are declared in a document type; without one there is nothing to expand or fetch.
        raise _bad(self.path, "annotation declares a document type, which ASAP never writes")

    def _start(self, tag: str, values: dict[str, str]) -> None:
        if tag == "ASAP_Annotations":
            self.seen_root = True
        elif tag == "Annotation" and self.seen_root:
            self.group = values.get("PartOfGroup", "None")
            self.points = []
        elif tag == "Coordinate" and self.group is not None:
            try:
                point = (float(values.get("Order", len(self.points))), float(values["X"]), float(values["Y"]))
            except (KeyError, ValueError) as error:
                raise _bad(self.path, f"coordinate without a number for {error}") from error
            if not np.isfinite(point).all():
                raise _bad(self.path, "coordinate that is not finite")
            self.points.append(point)

    def _end(self, tag: str) -> None:
        if tag != "Annotation" or self.group is None:
            return
        known = self.group.lower()
        if known not in _POSITIVE | _NEGATIVE:
            raise _bad(self.path, f"annotation group {self.group!r} is neither a lesion nor an exclusion")
        if len(self.points) >= 3:
            outline = np.array(sorted(self.points, key=lambda point: point[0]))[:, 1:]
            (self.positive if known in _POSITIVE else self.negative).append(outline)
        self.group = None


def _bad(path: Path, problem: str) -> DataError:
    return DataError(problem, place=str(path), fix="fetch the file again, or correct it in ASAP")


def mask(annotations: Annotations, x0: float, y0: float, side: float, out_px: int) -> NDArray[np.bool_]:
    """Lesion mask of a square.

    Args:
        annotations: the outlines.
        x0, y0: its left top corner in level-0 pixels.
        side: its side in level-0 pixels.
        out_px: side of the mask in pixels.

    Returns:
        True inside a lesion and outside what is cut out, (out_px, out_px).
    """
    return _raster(annotations, x0, y0, side / out_px, (out_px, out_px))


def tile_labels(coords: NDArray[np.int64], side: float, annotations: Annotations) -> NDArray[np.float32]:
    """Share of each tile that is lesion, counted in cells of a sixteenth of a tile's side.

    Args:
        coords: left top corners (x, y) of the tiles in level-0 pixels, (n, 2).
        side: side of the tiles in level-0 pixels.
        annotations: the outlines.

    Returns:
        Shares from 0 to 1, (n,). Where lesions lie so far apart that such a raster would take more than 16 million
        cells, the cells are larger.
    """
    fractions = np.zeros(len(coords), np.float32)
    bounds = annotations.bounds
    if bounds is None or not len(coords):
        return fractions
    left, top, right, bottom = bounds
    cell = side / _CELLS_PER_TILE
    cell = max(cell, float(np.sqrt((right - left) * (bottom - top) / _MAX_CELLS)))
    shape = (int(np.ceil((bottom - top) / cell)) + 1, int(np.ceil((right - left) / cell)) + 1)
    # Sums over any rectangle from four look-ups.
    inside = _raster(annotations, left, top, cell, shape)
    total = np.zeros((shape[0] + 1, shape[1] + 1), np.int32)
    np.cumsum(np.cumsum(inside, axis=0, dtype=np.int32), axis=1, out=total[1:, 1:])
    start = np.rint((np.asarray(coords, np.float64) - (left, top)) / cell).astype(np.int64)
    stop = np.rint((np.asarray(coords, np.float64) + side - (left, top)) / cell).astype(np.int64)
    stop = np.maximum(stop, start + 1)
    x1, x2 = (np.clip(edge[:, 0], 0, shape[1]) for edge in (start, stop))
    y1, y2 = (np.clip(edge[:, 1], 0, shape[0]) for edge in (start, stop))
    count = total[y2, x2] - total[y1, x2] - total[y2, x1] + total[y1, x1]
    fractions[:] = count / (stop - start).prod(axis=1)
    return fractions


def _raster(
    annotations: Annotations, left: float, top: float, cell: float, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Cells whose middle is inside a lesion and not cut out, ``shape`` = (rows, columns)."""
    from PIL import Image, ImageDraw

    image = Image.new("1", (shape[1], shape[0]))
    draw = ImageDraw.Draw(image)
    for value, outlines in ((1, annotations.positive), (0, annotations.negative)):
        for outline in outlines:
            # PIL counts from the middle of the first pixel, we from its corner.
            corners = (outline - (left, top)) / cell - 0.5
            if (corners.max(axis=0) >= -1).all() and (corners.min(axis=0) <= (shape[1], shape[0])).all():
                draw.polygon([(x, y) for x, y in corners.tolist()], fill=value)
    return np.array(image, bool)
