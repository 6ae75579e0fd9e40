"""Slides that show the same tissue, turned, shifted, cropped, scanned again, or cut from the next section of the block.

A thumbnail becomes a map of optical density, brought to one position and scale by centre and extent of its tissue.
Two maps are turned onto each other (or onto the mirror image) by the correlation of their polar coordinates, for all
pairs at once. The best partners of each slide are then compared by the structure inside the tissue: the correlation
of band-passed densities, the outline left out, over small rotations, scales and shifts. Outlines alone say little
(many pieces of tissue are oval), colours depend on the scanner, and what is finer or coarser than the band on stain
and focus.

Measured on 120 slides of camelyon16-mini (drawn oval lymph nodes, 128 pixels across; 7,140 pairs): the
different slides that are registered (274 pairs) correlate by at most 0.33. The same slide correlates by 0.96 or more
after a rotation by 7°, by 0.98 after a crop by 3 %, by 0.85 after a shift by 6 % that may cut tissue off, by 0.83 after
a rotation by 33° of the mirror image, and by 0.88 after another scanner (colour matrix, gamma, blur, resolution, JPEG
at quality 60), also with a rotation by 7° and a shift. Of simulated neighbouring sections (another scanner, elastic
deformation by 1.2 % of the width, noise, rotation by up to 12°) 23 of 24 are found, the least at 0.55.

Where the tissue fills the picture to its border (drawn pieces), a rotation by 7° or a crop is found in most cases, a
shift by 6 % that cuts pieces off in half of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = 1
"""Raised when other pairs are found."""

LIMIT = 0.42
"""Slides whose tissue correlates by more inside its outline are suspected to be the same; see above."""

LIMIT_WITH_OUTLINE = 0.7
"""The same where tissue is scattered in pieces too small to leave their outline out. Such slides are told apart by
where the pieces are: of 552 drawn pairs of different ones, none resembles the other enough to be registered."""

PARTNERS = 3
"""Slides that each slide is registered with, those first that resemble it most in polar coordinates."""

_LEAST_POLAR = 0.7
_LONGEST = 384
_SIDE = 192
_EXTENT = 34.0
"""Root mean square distance of the tissue from its centre in a frame, in pixels; the frame has 192."""
_TISSUE = 0.35
_INTERIOR = 2000
_RADII, _ANGLES = 24, 96
_BLOCK = 64
_TURNS = np.deg2rad([-4.0, -2.0, 0.0, 2.0, 4.0])
_SCALES = (0.97, 1.03)
_PROMISING = 0.25
_FFT = 128
_SHIFT = 16
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, eq=False)
class Tissue:
    """What is compared of a slide.

    Attributes:
        polar: density in polar coordinates around the centre of the tissue, (24, 96), weighted, of norm 1.
        texture: band-passed density in a frame of fixed position and scale, (192, 192).
        inside: whether the outline is left out of ``texture``.
    """

    polar: NDArray[np.float32]
    texture: NDArray[np.float32]
    inside: bool

    @property
    def limit(self) -> float:
        """Correlation from which another slide is suspected."""
        return LIMIT if self.inside else LIMIT_WITH_OUTLINE


def describe(picture: NDArray[np.uint8]) -> Tissue | None:
    """Describe the tissue of a thumbnail.

    Args:
        picture: RGB, (H, W, 3), the whole slide.

    Returns:
        None where it shows nothing.
    """
    from scipy.ndimage import binary_erosion, gaussian_filter

    density = _density(picture)
    smooth = gaussian_filter(density, max(density.shape) / 128)
    weights = smooth > _TISSUE * np.percentile(smooth, 98)
    if weights.sum() < 16 or smooth.max() < 0.02:
        return None
    places = np.argwhere(weights)
    centre = places.mean(axis=0)
    extent = float(np.sqrt(((places - centre) ** 2).sum(axis=1).mean()))
    if extent < 1:
        return None
    frame = _frame(density, centre, extent / _EXTENT)
    band = gaussian_filter(frame, 1.0) - gaussian_filter(frame, 5.0)
    mask = gaussian_filter(frame, 2.0) > _TISSUE * np.percentile(frame, 98)
    inner = binary_erosion(mask, iterations=8)
    inside = int(inner.sum()) >= _INTERIOR
    return Tissue(_polar(density, centre, extent), (band * inner if inside else band).astype(np.float32), inside)


def find_copies(tissues: Sequence[Tissue | None]) -> Iterator[tuple[int, int, float]]:
    """(i, j, correlation) of all pairs i < j that are suspected to show the same tissue.

    Args:
        tissues: of each slide; None is left out.
    """
    known = [number for number, tissue in enumerate(tissues) if tissue is not None]
    found: set[tuple[int, int]] = set()
    for i, j, angle, mirrored in _partners([tissue.polar for tissue in tissues if tissue is not None]):
        one, other = tissues[known[i]], tissues[known[j]]
        pair = (min(known[i], known[j]), max(known[i], known[j]))
        if one is None or other is None or one.inside != other.inside or pair in found:
            continue
        correlation = _registered(one.texture, other.texture, angle, mirrored)
        if correlation > one.limit:
            found.add(pair)
            yield *pair, correlation


def _density(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Optical density against the glass, at most 384 pixels across."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture))
    if (factor := _LONGEST / max(image.size)) < 1:
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        image = image.resize(size, Image.Resampling.BOX)
    grey = np.asarray(image).astype(np.float32) @ _LUMA
    density = np.log((np.percentile(grey, 95) + 1) / (grey + 1))
    return np.asarray(np.clip(density, 0, 2), np.float32)


def _frame(density: NDArray[np.float32], centre: NDArray[np.float64], scale: float) -> NDArray[np.float32]:
    """(192, 192), the centre of the tissue in the middle and its extent 34 pixels."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    smooth = gaussian_filter(density, 0.5 * scale) if scale > 1 else density
    grid = np.mgrid[:_SIDE, :_SIDE] - (_SIDE - 1) / 2
    return np.asarray(map_coordinates(smooth, centre[:, None, None] + scale * grid, order=1))


def _polar(density: NDArray[np.float32], centre: NDArray[np.float64], extent: float) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter, map_coordinates

    radius = ((np.arange(_RADII) + 0.5) / _RADII)[:, None]
    angle = np.arange(_ANGLES) / _ANGLES * 2 * np.pi
    places = [centre[0] + 2 * extent * radius * np.sin(angle), centre[1] + 2 * extent * radius * np.cos(angle)]
    values = map_coordinates(gaussian_filter(density, extent / 20), places, order=1)
    values = (values - values.mean()) * np.sqrt(radius)  # a ring stands for an area that grows with its radius
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-9), np.float32)


def _partners(polar: Sequence[NDArray[np.float32]]) -> Iterator[tuple[int, int, float, bool]]:
    """(i, j, angle, mirrored): the slides that resemble slide i most, and how j has to be turned onto it."""
    if len(polar) < 2:
        return
    # Frequencies along the angle first: for each of them, one matrix product compares all slides in all turns.
    spectra = np.fft.rfft(np.stack(polar), axis=2).transpose(2, 0, 1).astype(np.complex64)
    for start in range(0, len(polar), _BLOCK):
        block = spectra[:, start : start + _BLOCK].conj()
        turned = [
            np.fft.irfft(block @ there.transpose(0, 2, 1), _ANGLES, axis=0) for there in (spectra, spectra.conj())
        ]
        best = np.stack([each.max(axis=0) for each in turned])
        for row in range(block.shape[1]):
            here = best[:, row].max(axis=0)
            here[start + row] = -1.0
            for j in np.argsort(-here)[:PARTNERS].tolist():
                if here[j] < _LEAST_POLAR:
                    break
                mirrored = bool(best[1, row, j] > best[0, row, j])
                step = int(turned[mirrored][:, row, j].argmax())
                yield start + row, j, step * 2 * np.pi / _ANGLES, mirrored


def _registered(one: NDArray[np.float32], other: NDArray[np.float32], angle: float, mirrored: bool) -> float:
    """The best correlation of two textures, ``other`` turned by about ``angle``, over scales and shifts too."""
    still = _turned(one, 0.0, 1.0, False)
    first = _best(still, [_turned(other, angle + turn, 1.0, mirrored) for turn in _TURNS])
    if first < _PROMISING:
        return first
    return max(first, _best(still, [_turned(other, angle + turn, by, mirrored) for turn in _TURNS for by in _SCALES]))


def _best(still: NDArray[Any], moved: Sequence[NDArray[Any]]) -> float:
    """The highest correlation of ``still`` with one of the others, over small shifts."""
    size = (_FFT, _FFT)
    every = np.stack(moved)
    shifted = np.fft.irfft2(np.fft.rfft2(still, size)[None] * np.fft.rfft2(every, size).conj(), size)
    near = np.r_[0 : _SHIFT + 1, _FFT - _SHIFT : _FFT]
    highest = shifted[:, near][:, :, near].max(axis=(1, 2))
    return float((highest / np.maximum(np.linalg.norm(still) * np.linalg.norm(every, axis=(1, 2)), 1e-9)).max())


def _turned(texture: NDArray[np.float32], angle: float, scale: float, mirrored: bool) -> NDArray[Any]:
    """Every second pixel of a frame, (96, 96), turned around its middle."""
    from scipy.ndimage import map_coordinates

    down, across = (np.mgrid[: _SIDE // 2, : _SIDE // 2] - (_SIDE / 2 - 1) / 2) * 2 * scale
    cosine, sine = np.cos(angle), np.sin(angle)
    y, x = sine * across + cosine * down, cosine * across - sine * down
    middle = (_SIDE - 1) / 2
    return np.asarray(map_coordinates(texture, [middle + (-y if mirrored else y), middle + x], order=1))
