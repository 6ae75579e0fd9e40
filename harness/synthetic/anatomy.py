"""Where what is on a slide: outlines of the tissue, the parts of a lymph node, and metastases.

All maps have square cells of :data:`CELL` microns; all lengths are in microns.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from harness.synthetic.noise import Field, octaves, smooth

CELL = 2.0
"""Side of a cell of the maps, in microns."""

Polygon = NDArray[np.float64]
"""Corners as (x, y) in microns, (n, 2)."""


class Part(IntEnum):
    """The parts of a lymph node and of what surrounds it."""

    OUTSIDE = 0
    LYMPHOID = 1
    MANTLE = 2
    GERMINAL = 3
    SINUS = 4
    STROMA = 5
    FAT = 6
    LUMEN = 7
    TUMOUR = 8
    TUMOUR_STROMA = 9


@dataclass(frozen=True)
class Metastasis:
    """How much of the tissue the metastases of a slide cover, and in how many pieces.

    Attributes:
        share: range of the covered share of the tissue.
        pieces: most pieces.
    """

    share: tuple[float, float]
    pieces: int


METASTASES: dict[str, Metastasis] = {
    "macro": Metastasis(share=(0.06, 0.28), pieces=3),
    "micro": Metastasis(share=(0.003, 0.009), pieces=2),
}


@dataclass(frozen=True)
class Anatomy:
    """What is where on one slide.

    Attributes:
        depth: distance from the outline of the tissue in microns, negative outside, (g, g).
        part: :class:`Part` of each cell, (g, g).
        lesions: outlines of the metastases.
        spared: outlines of normal tissue inside them.
        tumour_share: share of the tissue that is metastasis.
    """

    depth: Field
    part: NDArray[np.uint8]
    lesions: tuple[Polygon, ...]
    spared: tuple[Polygon, ...]
    tumour_share: float


def make_anatomy(
    rng: np.random.Generator, lesion_rng: np.random.Generator, side: float, metastasis: str | None
) -> Anatomy:
    """The anatomy of a slide ``side`` microns wide and high.

    Args:
        rng: for all that is normal; the same numbers give the same tissue with and without a metastasis.
        lesion_rng: for the metastases.
        side: side of the slide in microns.
        metastasis: ``macro``, ``micro``, or None for a normal slide.
    """
    cells = int(np.ceil(side / CELL))
    depth = _pieces(rng, cells, side)
    part = _normal_parts(rng, depth, side)
    lesions: list[Polygon] = []
    spared: list[Polygon] = []
    share = 0.0
    if metastasis is not None:
        lesions, spared = _metastases(lesion_rng, depth, METASTASES[metastasis])
        inside = (rasterise(lesions, cells) & ~rasterise(spared, cells)) & (depth > 0)
        share = float(inside.sum() / (depth > 0).sum())
        bands = np.abs(octaves(lesion_rng, depth.shape, (45.0, 20.0))) < lesion_rng.uniform(0.05, 0.22)
        part[inside] = np.where(bands[inside] & (metastasis == "macro"), Part.TUMOUR_STROMA, Part.TUMOUR)
    return Anatomy(depth, part, tuple(lesions), tuple(spared), share)


def rasterise(polygons: list[Polygon], cells: int) -> NDArray[np.bool_]:
    """Cells inside any of ``polygons``, (cells, cells)."""
    image = Image.new("1", (cells, cells))
    for polygon in polygons:
        # A cell's middle is at half a cell, where the pixel that stands for it is at 0.
        ImageDraw.Draw(image).polygon([(x / CELL - 0.5, y / CELL - 0.5) for x, y in polygon.tolist()], fill=1)
    return np.array(image, bool)


def blob(rng: np.random.Generator, center: tuple[float, float], radius: float, *, roughness: float) -> Polygon:
    """An irregular closed outline around ``center`` (x, y)."""
    angle = np.linspace(0, 2 * np.pi, int(np.clip(radius, 20, 80)), endpoint=False)
    reach = np.ones_like(angle)
    for lobes in range(2, 9):
        reach += rng.normal(0, roughness / lobes) * np.cos(lobes * angle + rng.uniform(0, 2 * np.pi))
    reach = radius * np.maximum(reach, 0.35)
    return np.stack([center[0] + reach * np.cos(angle), center[1] + reach * np.sin(angle)], axis=1)


def _pieces(rng: np.random.Generator, cells: int, side: float) -> Field:
    """Depth below the outline of one or two pieces of tissue."""
    middle = (np.arange(cells, dtype=np.float32) + 0.5) * CELL
    count = 1 if rng.random() < 0.55 else 2
    depth = np.full((cells, cells), -side, np.float32)
    for number in range(count):
        if count == 1:
            center = side * (0.5 + rng.uniform(-0.06, 0.06, 2))
            axes = side * np.array([rng.uniform(0.34, 0.44), rng.uniform(0.28, 0.38)])
            turn = rng.uniform(0, np.pi)
        else:
            center = side * np.array([0.26 + 0.47 * number + rng.uniform(-0.02, 0.02), 0.5 + rng.uniform(-0.1, 0.1)])
            axes = side * np.array([rng.uniform(0.28, 0.38), rng.uniform(0.16, 0.21)])
            turn = np.pi / 2 + rng.uniform(-0.2, 0.2)
        x, y = middle[None, :] - np.float32(center[0]), middle[:, None] - np.float32(center[1])
        along = (x * np.cos(turn) + y * np.sin(turn)) / axes[0]
        across = (y * np.cos(turn) - x * np.sin(turn)) / axes[1]
        angle = np.arctan2(across, along)
        rim = np.ones_like(angle)
        for lobes in range(2, 8):
            rim += rng.normal(0, 0.11 / lobes) * np.cos(lobes * angle + rng.uniform(0, 2 * np.pi))
        depth = np.maximum(depth, (rim - np.hypot(along, across)).astype(np.float32) * np.float32(axes.min()))
    return depth + np.float32(2.5) * octaves(rng, depth.shape, (25.0, 9.0))


def _normal_parts(rng: np.random.Generator, depth: Field, side: float) -> NDArray[np.uint8]:
    """The parts of normal lymph nodes: capsule, sinuses, follicles, trabeculae, fat and vessels."""
    shape = depth.shape
    part = np.full(shape, Part.LYMPHOID, np.uint8)
    rough = octaves(rng, shape, (30.0, 12.0))
    medulla = (smooth(rng, shape, 90.0) > rng.uniform(-0.2, 1.2)) & (depth > 40)
    part[medulla & (np.abs(octaves(rng, shape, (28.0, 14.0))) < rng.uniform(0.15, 0.45))] = Part.SINUS
    _follicles(rng, part, depth, side, rough)
    capsule = rng.uniform(5, 14) * (1 + 0.35 * rough)
    below = (depth < capsule + rng.uniform(6, 16)) & (smooth(rng, shape, 40.0) > rng.uniform(-1.0, 0.8))
    part[below] = Part.SINUS
    thickness = rng.uniform(0.0, 0.06) * smooth(rng, shape, 70.0)  # trabeculae come and go
    part[np.abs(smooth(rng, shape, 110.0)) < thickness] = Part.STROMA
    part[depth < capsule] = Part.STROMA
    if rng.random() < 0.4:
        part[(smooth(rng, shape, 80.0) > rng.uniform(1.0, 1.7)) & (depth > capsule)] = Part.FAT
    _vessels(rng, part, depth, side)
    part[depth <= 0] = Part.OUTSIDE
    return part


def _follicles(rng: np.random.Generator, part: NDArray[np.uint8], depth: Field, side: float, rough: Field) -> None:
    """Round follicles in the cortex, most with a pale germinal centre, drawn into ``part``."""
    for _ in range(rng.poisson(rng.uniform(1.0, 7.0))):
        radius = min(rng.uniform(40, 95), 0.12 * side)
        spot = _spot(rng, (depth > 0.4 * radius) & (depth < 2.5 * radius + 40))
        if spot is None:
            continue
        distance = _distance(depth.shape, spot) + 0.10 * radius * rough
        part[distance < radius] = Part.MANTLE
        if radius > 40 and rng.random() < 0.8:
            part[distance < radius * rng.uniform(0.55, 0.75)] = Part.GERMINAL


def _vessels(rng: np.random.Generator, part: NDArray[np.uint8], depth: Field, side: float) -> None:
    """Round vessels with a wall and an open lumen, drawn into ``part``."""
    for _ in range(rng.poisson(5 * min(side / 1000, 1.0) ** 2 + 1)):
        radius = rng.uniform(5, 20)
        spot = _spot(rng, depth > radius + 15)
        if spot is not None:
            distance = _distance(depth.shape, spot) * (1 + 0.12 * smooth(rng, depth.shape, 15.0))
            part[distance < radius + rng.uniform(4, 8)] = Part.STROMA
            part[distance < radius] = Part.LUMEN


def _metastases(rng: np.random.Generator, depth: Field, kind: Metastasis) -> tuple[list[Polygon], list[Polygon]]:
    """Outlines of the metastases, and of spared tissue inside large ones."""
    area = float((depth > 0).sum()) * CELL**2 * rng.uniform(*kind.share)
    pieces = int(rng.integers(1, kind.pieces + 1))
    lesions, spared = [], []
    for weight in rng.dirichlet(np.full(pieces, 3.0)):
        radius = max(float(np.sqrt(area * weight / np.pi)), 14.0)
        spot = _spot(rng, depth > min(0.8 * radius, 0.85 * float(depth.max())))
        if spot is None:
            continue
        lesions.append(blob(rng, spot, radius, roughness=0.30))
        if radius > 60 and rng.random() < 0.5:
            spared.append(blob(rng, spot, radius * rng.uniform(0.2, 0.32), roughness=0.2))
    return lesions, spared


def _spot(rng: np.random.Generator, allowed: NDArray[np.bool_]) -> tuple[float, float] | None:
    """A random place (x, y) among the allowed cells; None where there is none."""
    choices = np.flatnonzero(allowed)
    if not choices.size:
        return None
    y, x = divmod(int(choices[rng.integers(choices.size)]), allowed.shape[1])
    return (x + 0.5) * CELL, (y + 0.5) * CELL


def _distance(shape: tuple[int, ...], spot: tuple[float, float]) -> Field:
    """Distance of every cell from ``spot`` (x, y) in microns."""
    y = (np.arange(shape[0], dtype=np.float32) + 0.5) * CELL - np.float32(spot[1])
    x = (np.arange(shape[1], dtype=np.float32) + 0.5) * CELL - np.float32(spot[0])
    distance: Field = np.hypot(y[:, None], x[None, :])
    return distance
