"""Painting a slide: the parts of the tissue become amounts of dye, cells are stamped on, dyes become colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.core.seeds import Seeds
from harness.synthetic.anatomy import CELL, Anatomy, Part, make_anatomy
from harness.synthetic.noise import Field, enlarge, octaves, smooth
from harness.synthetic.nuclei import KINDS, make_bank, scatter, stamp
from harness.synthetic.stains import develop, slide_stain

_EOSIN = {
    Part.OUTSIDE: 0.0,
    Part.LYMPHOID: 0.30,
    Part.MANTLE: 0.28,
    Part.GERMINAL: 0.36,
    Part.SINUS: 0.24,
    Part.STROMA: 0.80,
    Part.FAT: 0.45,
    Part.LUMEN: 0.0,
    Part.TUMOUR: 0.26,
    Part.TUMOUR_STROMA: 0.66,
}
_HAEMATOXYLIN = {
    Part.OUTSIDE: 0.0,
    Part.LYMPHOID: 0.10,
    Part.MANTLE: 0.12,
    Part.GERMINAL: 0.14,
    Part.SINUS: 0.04,
    Part.STROMA: 0.04,
    Part.FAT: 0.02,
    Part.LUMEN: 0.0,
    Part.TUMOUR: 0.13,
    Part.TUMOUR_STROMA: 0.05,
}


@dataclass(frozen=True)
class Cells:
    """One kind of cell in some parts: how far apart (microns), and how many of the places are taken."""

    kind: str
    parts: tuple[Part, ...]
    spacing: float
    taken: float
    bank: int


# The rare large blasts among lymphocytes are there on every slide: one large nucleus does not make a metastasis.
_CELLS = (
    Cells("spindle", (Part.STROMA, Part.TUMOUR_STROMA), 13.0, 0.65, 32),
    Cells("lymphocyte", (Part.LYMPHOID,), 7.4, 0.90, 128),
    Cells("lymphocyte", (Part.MANTLE,), 6.8, 0.97, 64),
    Cells("lymphocyte", (Part.GERMINAL, Part.SINUS, Part.TUMOUR, Part.TUMOUR_STROMA), 20.0, 0.55, 64),
    Cells("histiocyte", (Part.SINUS,), 13.5, 0.80, 48),
    Cells("centroblast", (Part.GERMINAL,), 11.0, 0.92, 64),
    Cells("blast", (Part.LYMPHOID, Part.MANTLE, Part.SINUS), 60.0, 0.35, 24),
    Cells("tumour", (Part.TUMOUR,), 14.5, 0.95, 96),
)


@dataclass(frozen=True)
class Painted:
    """A painted slide: RGB (side, side, 3), its anatomy, and microns per pixel."""

    image: NDArray[np.uint8]
    anatomy: Anatomy
    mpp: float


def paint(seed: int, *, side_px: int, mpp: float, center: str, metastasis: str | None) -> Painted:
    """Draw one slide; a function of its arguments alone.

    Args:
        seed: the slide's seed.
        side_px: width and height in pixels.
        mpp: microns per pixel.
        center: whose stain, see :data:`harness.synthetic.stains.LABS`.
        metastasis: ``macro``, ``micro``, or None.
    """
    seeds = Seeds(seed)
    anatomy = make_anatomy(seeds.numpy("anatomy"), seeds.numpy("lesion"), side_px * mpp, metastasis)
    haematoxylin, eosin = _ground(seeds.numpy("ground"), anatomy, side_px, mpp)
    _fat_cells(seeds.numpy("fat"), anatomy, haematoxylin, eosin, mpp)
    _red_cells(seeds.numpy("blood"), anatomy, eosin, mpp)
    for number, cells in enumerate(_CELLS):
        _populate(seeds.numpy("cells", number), cells, anatomy, haematoxylin, eosin, mpp)
    image = develop(haematoxylin, eosin, slide_stain(seeds.numpy("stain"), center))
    return Painted(image, anatomy, mpp)


def _ground(rng: np.random.Generator, anatomy: Anatomy, side_px: int, mpp: float) -> tuple[Field, Field]:
    """Haematoxylin and eosin of everything that is not a cell."""
    shape = (side_px, side_px)
    box = (0.0, 0.0, side_px * mpp / CELL, side_px * mpp / CELL)
    uneven = 1 + 0.10 * octaves(rng, anatomy.part.shape, (120.0, 40.0))
    eosin = enlarge(_levels(_EOSIN, anatomy.part) * uneven * (1 + 0.35 * _fibres(rng, anatomy)), shape, box=box)
    haematoxylin = enlarge(_levels(_HAEMATOXYLIN, anatomy.part) * uneven, shape, box=box)
    texture = octaves(rng, shape, (1.7 / mpp, 4.5 / mpp))
    eosin *= 1 + 0.22 * texture
    haematoxylin *= 1 + 0.35 * texture
    # A crisp but frayed outline: the coarse map alone would give a blurred one.
    edge = enlarge(anatomy.depth, shape, box=box)
    edge += texture
    np.clip(edge / np.float32(1.2), 0, 1, out=edge)
    return haematoxylin * edge, eosin * edge


def _levels(table: dict[Part, float], part: NDArray[np.uint8]) -> Field:
    return np.array([table[kind] for kind in Part], np.float32)[part]


def _fibres(rng: np.random.Generator, anatomy: Anatomy) -> Field:
    """Wavy fibres, about -1 to 1, where there is connective tissue; 0 elsewhere. Those of the capsule follow it."""
    phase = anatomy.depth / 9 + 2.2 * octaves(rng, anatomy.depth.shape, (60.0, 25.0))
    waves = np.sin(2 * np.pi * phase) + 0.3 * smooth(rng, anatomy.depth.shape, 3.0)
    fibrous = (anatomy.part == Part.STROMA) | (anatomy.part == Part.TUMOUR_STROMA)
    return np.where(fibrous, waves, 0).astype(np.float32)


def _populate(
    rng: np.random.Generator, cells: Cells, anatomy: Anatomy, haematoxylin: Field, eosin: Field, mpp: float
) -> None:
    """Stamp one kind of cell wherever it belongs."""
    extent = (haematoxylin.shape[0] * mpp, haematoxylin.shape[1] * mpp)
    points = scatter(rng, extent, cells.spacing)
    row, column = (points / CELL).astype(np.int64).T
    here = np.isin(anatomy.part[row, column], cells.parts) & (anatomy.depth[row, column] > 2.5)
    # Crowding varies over the tissue, so that how much dye a region has says little about what it is.
    crowding = cells.taken * (1 + 0.10 * smooth(rng, anatomy.part.shape, 60.0)[row, column])
    # Drawn for every place, taken or not: what one region holds then has no influence on another.
    which = rng.integers(0, 8 * cells.bank, len(points))
    taken = here & (rng.random(len(points)) < crowding)
    points, which = points[taken], which[taken]
    if not len(points):
        return
    bank = make_bank(rng, KINDS[cells.kind], cells.bank, mpp)
    at = np.rint(points / mpp).astype(np.int64)
    if bank.halo is not None:
        stamp(eosin, bank.halo, at, which, add=True)
    stamp(haematoxylin, bank.dye, at, which)


def _fat_cells(rng: np.random.Generator, anatomy: Anatomy, haematoxylin: Field, eosin: Field, mpp: float) -> None:
    """Empty round cells with thin walls, wherever there is fat."""
    extent = (eosin.shape[0] * mpp, eosin.shape[1] * mpp)
    points = scatter(rng, extent, 34.0, jitter=0.12)
    row, column = (points / CELL).astype(np.int64).T
    points = points[anatomy.part[row, column] == Part.FAT]
    half = int(np.ceil(20 / mpp))
    distance = np.hypot(*np.mgrid[-half : half + 1, -half : half + 1])
    radius = rng.uniform(15, 18.5, 8) / mpp
    # Stamped with max on the negative amount, that is: the emptiest wins.
    empty = -np.clip((distance[None] - radius[:, None, None]) / 2, 0, 1).astype(np.float32) * np.float32(9)
    which = rng.integers(0, len(empty), len(points))
    at = np.rint(points / mpp).astype(np.int64)
    for canvas in (haematoxylin, eosin):
        np.negative(canvas, out=canvas)
        stamp(canvas, empty, at, which)
        np.negative(canvas, out=canvas)


def _red_cells(rng: np.random.Generator, anatomy: Anatomy, eosin: Field, mpp: float) -> None:
    """Red blood cells in some of the vessels."""
    extent = (eosin.shape[0] * mpp, eosin.shape[1] * mpp)
    points = scatter(rng, extent, 6.5)
    row, column = (points / CELL).astype(np.int64).T
    filled = smooth(rng, anatomy.part.shape, 60.0)[row, column] > 0.1
    points = points[(anatomy.part[row, column] == Part.LUMEN) & filled]
    half = int(np.ceil(4 / mpp))
    distance = np.hypot(*np.mgrid[-half : half + 1, -half : half + 1]) * mpp
    disc = (1.1 * np.clip((3.4 - distance) / mpp, 0, 1) * (0.75 + 0.1 * distance))[None].astype(np.float32)
    stamp(eosin, disc, np.rint(points / mpp).astype(np.int64), np.zeros(len(points), np.int64))
