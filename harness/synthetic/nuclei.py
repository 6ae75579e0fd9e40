"""Cell nuclei: banks of small pictures of them, and stamping them onto a slide.

Sizes follow histology in their order, not in detail: a small lymphocyte's nucleus is about 7 µm wide, dense and
round; those of germinal centres and histiocytes are larger and paler; those of a carcinoma are larger still, of uneven
size and shape, with a rim and nucleoli.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.synthetic.noise import Field


@dataclass(frozen=True)
class Kind:
    """What the nuclei of one kind of cell look like.

    Attributes:
        radius, radius_sd: mean radius in microns and its standard deviation.
        elongation: mean ratio of length to width.
        irregularity: amplitude of the lobes of the outline, relative to the radius.
        dye: amount of haematoxylin in the middle.
        rim: more haematoxylin at the border, relative to the middle.
        clumps: unevenness of the chromatin, relative to the middle.
        nucleoli: mean number of nucleoli.
        cytoplasm: eosin added around the nucleus.
    """

    radius: float
    radius_sd: float
    elongation: float
    irregularity: float
    dye: float
    rim: float
    clumps: float
    nucleoli: float = 0.0
    cytoplasm: float = 0.0


KINDS: dict[str, Kind] = {
    "lymphocyte": Kind(3.3, 0.25, 1.08, 0.04, 1.00, 0.05, 0.22),
    "centroblast": Kind(4.5, 0.45, 1.12, 0.05, 0.62, 0.25, 0.22, nucleoli=0.8),
    "histiocyte": Kind(4.2, 0.40, 1.35, 0.06, 0.50, 0.20, 0.15, nucleoli=0.3, cytoplasm=0.16),
    "blast": Kind(5.6, 0.45, 1.10, 0.05, 0.66, 0.25, 0.22, nucleoli=1.2),
    "spindle": Kind(3.0, 0.35, 2.90, 0.05, 0.85, 0.05, 0.12),
    "tumour": Kind(6.5, 1.15, 1.20, 0.10, 0.52, 0.45, 0.30, nucleoli=1.5, cytoplasm=0.10),
}


@dataclass(frozen=True)
class Bank:
    """Pictures of nuclei of one kind: ``dye`` (n, s, s) haematoxylin, ``halo`` (n, s, s) eosin or None."""

    dye: Field
    halo: Field | None


def make_bank(rng: np.random.Generator, kind: Kind, count: int, mpp: float) -> Bank:
    """``count`` nuclei of ``kind`` at ``mpp`` microns per pixel, each in its eight orientations."""
    radius = np.maximum(rng.normal(kind.radius, kind.radius_sd, count), 0.6 * kind.radius) / mpp
    stretch = np.sqrt(np.maximum(kind.elongation + rng.normal(0, 0.25 * (kind.elongation - 1), count), 1.0))
    half = int(np.ceil((radius * stretch).max() * (1.55 if kind.cytoplasm else 1.2))) + 1
    rho, rim = _outlines(rng, radius, stretch, half, kind.irregularity)
    inside = np.clip((rim - rho) / 1.2 + 0.5, 0, 1)  # the border is about a pixel soft
    relative = rho / rim
    level = 1 - 0.35 * kind.rim + kind.rim * np.exp(-(((relative - 0.9) / 0.16) ** 2))
    level += kind.clumps * _grain(rng, rho.shape)
    if kind.nucleoli:
        level += _nucleoli(rng, radius, half, kind.nucleoli)
    strength = kind.dye * np.exp(rng.normal(0, 0.10, count))
    dye = (strength[:, None, None] * np.maximum(level, 0.1) * inside).astype(np.float32)
    halo = None
    if kind.cytoplasm:
        halo = (kind.cytoplasm * np.clip(1.5 - relative, 0, 0.5) * 2).astype(np.float32)
        halo = _orientations(halo)
    return Bank(dye=_orientations(dye), halo=halo)


def scatter(
    rng: np.random.Generator, extent: tuple[float, float], spacing: float, jitter: float = 0.22
) -> NDArray[np.float64]:
    """Points about ``spacing`` apart over ``extent`` (height, width): a hexagonal grid, shaken. (n, 2) as (y, x)."""
    step = spacing * np.sqrt(3) / 2
    rows, cols = int(extent[0] / step) + 2, int(extent[1] / spacing) + 2
    y, x = np.mgrid[0:rows, 0:cols].astype(np.float64)
    x = (x + 0.5 * (y % 2)) * spacing
    points = np.stack([y * step, x], axis=-1).reshape(-1, 2)
    points += rng.normal(0, jitter * spacing, points.shape)
    keep = (points >= 0).all(axis=1) & (points < np.array(extent)).all(axis=1)
    return points[keep]


def stamp(
    canvas: Field, pictures: Field, at: NDArray[np.int64], which: NDArray[np.int64], *, add: bool = False
) -> None:
    """Put ``pictures[which]`` (n, s, s) with their middle ``at`` (n, 2) as (y, x) onto ``canvas``, in place.

    Where nuclei overlap the darker one wins; with ``add`` amounts add up.
    """
    size = pictures.shape[1]
    height, width = canvas.shape
    merge = np.add if add else np.maximum
    for (y, x), index in zip((at - size // 2).tolist(), which.tolist(), strict=True):
        top, left = max(y, 0), max(x, 0)
        bottom, right = min(y + size, height), min(x + size, width)
        if top < bottom and left < right:
            view = canvas[top:bottom, left:right]
            merge(view, pictures[index, top - y : bottom - y, left - x : right - x], out=view)


def _outlines(
    rng: np.random.Generator, radius: NDArray[np.float64], stretch: NDArray[np.float64], half: int, irregularity: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance from the middle, and distance of the border in the same direction; both (n, s, s) in pixels."""
    count = len(radius)
    grid = np.arange(-half, half + 1, dtype=np.float64)
    # Half a pixel of shift, so that nuclei do not all sit on the pixel grid in the same way.
    shift = rng.uniform(-0.5, 0.5, (2, count, 1, 1))
    y, x = grid[None, :, None] + shift[0], grid[None, None, :] + shift[1]
    turn = rng.uniform(0, np.pi, (count, 1, 1))
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    along, across = along / stretch[:, None, None], across * stretch[:, None, None]
    angle = np.arctan2(across, along)
    rim = np.ones_like(angle)
    for lobes in (2, 3, 4, 5):
        size = rng.normal(0, irregularity, (count, 1, 1)) * (2 / lobes)
        rim += size * np.cos(lobes * angle + rng.uniform(0, 2 * np.pi, (count, 1, 1)))
    return np.hypot(along, across), np.maximum(rim, 0.5) * radius[:, None, None]


def _grain(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Random chromatin with grains about two pixels wide, standard deviation about 1."""
    noise = rng.standard_normal((shape[0], shape[1] + 1, shape[2] + 1))
    return (noise[:, 1:, 1:] + noise[:, :-1, 1:] + noise[:, 1:, :-1] + noise[:, :-1, :-1]) / 2


def _nucleoli(rng: np.random.Generator, radius: NDArray[np.float64], half: int, mean: float) -> NDArray[np.float64]:
    """Dark spots inside each nucleus, (n, s, s)."""
    grid = np.arange(-half, half + 1, dtype=np.float64)
    spots = np.zeros((len(radius), grid.size, grid.size))
    numbers = rng.poisson(mean, len(radius))
    for position in range(3):
        reach = radius * rng.uniform(0.0, 0.6, len(radius))
        angle = rng.uniform(0, 2 * np.pi, len(radius))
        y = grid[None, :, None] - (reach * np.sin(angle))[:, None, None]
        x = grid[None, None, :] - (reach * np.cos(angle))[:, None, None]
        width = (0.17 * radius)[:, None, None]
        spots += (numbers > position)[:, None, None] * 0.7 * np.exp(-(x**2 + y**2) / (2 * width**2))
    return spots


def _orientations(pictures: Field) -> Field:
    """All pictures in their eight orientations, (8 n, s, s)."""
    turned = [np.rot90(pictures, k, axes=(1, 2)) for k in range(4)]
    return np.ascontiguousarray(np.concatenate([*turned, *(view[:, :, ::-1] for view in turned)]))
