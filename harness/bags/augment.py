"""Geometric augmentation of tiles: a batch at once, on its device, with parameters of its own for every tile."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from harness.core.errors import UsageError
from harness.core.suggest import unknown

NAMES = ("none", "flips", "rotate", "strong", "weak", "weak_strong")
"""What :class:`Augment` knows."""

MAX_SHIFT = 100 / 256
"""Largest translation of ``weak_strong``, as a share of the side, in x and in y."""

_RATIO = (3 / 4, 4 / 3)
_ATTEMPTS = 10
_BLOCK = 32


@dataclass(frozen=True)
class Draw:
    """What was drawn for n tiles; rows of it can be cut out with the tiles. On the CPU.

    Attributes:
        turn: element of the square's symmetry group, (n,) int64, 0..7: bit 0 mirrors left and right, bit 1 top and
            bottom, bit 2 transposes, in this order.
        box: the crop in the tile before it is turned, (n, 4) float32 as centre x, y, half width, half height, where
            the tile is the square from -1 to 1; None where tiles are not resampled.
    """

    turn: Tensor
    box: Tensor | None

    def __getitem__(self, rows: slice) -> Draw:
        return Draw(self.turn[rows], None if self.box is None else self.box[rows])


class Augment:
    """Geometric augmentation by name. Colours are never changed.

    ============  =====================================================================================
    none          tiles as they are
    flips         mirrored left-right and top-bottom, each with probability 1/2
    rotate        flips and quarter turns: one of the square's eight symmetries, all equally likely
    strong        flips, then a random resized crop
    weak          a random resized crop
    weak_strong   shifted by up to 100/256 of the side in x and y, then a random resized crop
    ============  =====================================================================================

    ``strong``, ``weak`` and ``weak_strong`` are those of ABMILX (arXiv 2506.02408, released configurations). A
    random resized crop has an area drawn uniformly from (``crop_min``, 1) of the tile's and an aspect ratio drawn
    log-uniformly from (3/4, 4/3), its place is uniform; it is resampled bilinearly, with antialiasing where it is
    shrunk. Where a shift uncovers the outside of a tile, the tile is reflected at its edge (the paper says nothing
    of it; black, the usual fill, is no colour of tissue). Flips and turns move pixels and never interpolate.

    Args:
        name: one of :data:`NAMES`.
        out_px: side of the result; tiles of another side are resized with antialiasing.
        crop_min: smallest area of a crop.

    Raises:
        UsageError: unknown name, or an area outside (0, 1].
    """

    def __init__(self, name: str, out_px: int, crop_min: float = 0.08) -> None:
        if name not in NAMES:
            raise unknown("augmentation", name, NAMES, place="augment", listing="bench methods show METHOD")
        if not 0 < crop_min <= 1:
            raise UsageError(f"a crop cannot have {crop_min} of the area", place="crop_min", fix="choose from (0, 1]")
        self.name = name
        self.out_px = out_px
        self.crop_min = crop_min

    def __call__(self, tiles: Tensor, seed: int) -> Tensor:
        """Augmented tiles, float32 0..255, (n, 3, out_px, out_px), on the device of ``tiles``.

        Args:
            tiles: (n, 3, H, H), uint8 or float, 0..255.
            seed: equal seeds give equal parameters on every device, and tile i has the same ones whatever n is.
        """
        return self.apply(tiles, self.draw(len(tiles), seed))

    def draw(self, count: int, seed: int) -> Draw:
        """Parameters for ``count`` tiles; nothing but ``seed`` enters, and no global generator is used."""
        generator = torch.Generator().manual_seed(seed)
        # One row of numbers per tile, whatever the name, so that row i does not depend on the count.
        numbers = torch.rand((count, 5 + 2 * _ATTEMPTS), generator=generator, dtype=torch.float64)
        symmetries = {"flips": 4, "strong": 4, "rotate": 8}.get(self.name, 1)
        turn = (numbers[:, 0] * symmetries).long()
        if self.name not in {"strong", "weak", "weak_strong"}:
            return Draw(turn, None)
        half = _crop_size(numbers[:, 5 : 5 + _ATTEMPTS], numbers[:, 5 + _ATTEMPTS :], self.crop_min)
        centre = (2 * numbers[:, 1:3] - 1) * (1 - half)
        if self.name == "weak_strong":
            centre -= (2 * numbers[:, 3:5] - 1) * 2 * MAX_SHIFT
        return Draw(turn, torch.cat([centre, half], 1).float())

    def apply(self, tiles: Tensor, draw: Draw) -> Tensor:
        """``tiles`` transformed as drawn; see :meth:`__call__`."""
        if draw.box is not None:
            return _crop(tiles, draw.turn, draw.box, self.out_px)
        turned = _turn(tiles, draw.turn).float()
        if turned.shape[2:] == (self.out_px, self.out_px):
            return turned
        size = (self.out_px, self.out_px)
        return functional.interpolate(turned, size, mode="bilinear", align_corners=False, antialias=True)


def _crop_size(areas: Tensor, ratios: Tensor, crop_min: float) -> Tensor:
    """Half width and height (n, 2), as shares of the side, of the first of several attempts that fits the tile.

    Args:
        areas, ratios: (n, attempts) uniform in [0, 1).
        crop_min: smallest area.
    """
    area = crop_min + (1 - crop_min) * areas
    low, high = math.log(_RATIO[0]), math.log(_RATIO[1])
    ratio = torch.exp(low + (high - low) * ratios)
    sizes = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], -1)
    fits = (sizes <= 1).all(-1)
    first = fits.long().argmax(1)
    chosen = sizes[torch.arange(len(sizes)), first]
    # Where no attempt fits, the whole tile.
    return torch.where(fits.any(1, keepdim=True), chosen, torch.ones_like(chosen))


def _turn(tiles: Tensor, turn: Tensor) -> Tensor:
    """Mirror and transpose every tile as its element says; a copy only where something moves."""
    if not bool(turn.any()):
        return tiles
    result = tiles.clone()
    for element in range(1, int(turn.max()) + 1):
        # The rows are found on the CPU: no waiting for the device.
        rows = (turn == element).nonzero().flatten().to(tiles.device, non_blocking=True)
        if len(rows):
            result[rows] = _symmetry(tiles[rows], element)
    return result


def _symmetry(tiles: Tensor, element: int) -> Tensor:
    mirrored = [axis for axis, bit in ((3, 1), (2, 2)) if element & bit]
    tiles = tiles.flip(mirrored) if mirrored else tiles
    return tiles.transpose(2, 3) if element & 4 else tiles


def _crop(tiles: Tensor, turn: Tensor, box: Tensor, out_px: int) -> Tensor:
    """Bilinear resampling of one box per tile, with its mirroring; antialiased where the box is shrunk."""
    centre, half = box[:, :2], box[:, 2:].clone()
    half[:, 0] *= 1 - 2 * (turn & 1)
    half[:, 1] *= 1 - (turn & 2)
    if max(tiles.shape[2:]) > out_px:  # only then may a crop be shrunk
        return _shrunk(tiles, centre, half, out_px)
    affine = torch.zeros((len(box), 2, 3))
    affine[:, 0, 0], affine[:, 1, 1], affine[:, :, 2] = half[:, 0], half[:, 1], centre
    affine = affine.to(tiles.device, non_blocking=True)
    # Coordinates and pixels stay in float32, whatever precision the network trains in.
    with torch.autocast(tiles.device.type, enabled=False):
        grid = functional.affine_grid(affine, [len(tiles), 3, out_px, out_px], align_corners=False)
        return functional.grid_sample(tiles.float(), grid, "bilinear", padding_mode="reflection", align_corners=False)


def _shrunk(tiles: Tensor, centre: Tensor, half: Tensor, out_px: int) -> Tensor:
    """Antialiased resampling, rows and columns apart: (n, 3, out_px, out_px)."""
    centre, half = (value.to(tiles.device, non_blocking=True) for value in (centre, half))
    result = torch.empty((len(tiles), tiles.shape[1], out_px, out_px), device=tiles.device)
    with torch.autocast(tiles.device.type, enabled=False):
        for start in range(0, len(tiles), _BLOCK):  # the weights of all tiles would take more memory than the tiles
            block = slice(start, start + _BLOCK)
            rows = _filter(centre[block, 1], half[block, 1], tiles.shape[2], out_px)
            columns = _filter(centre[block, 0], half[block, 0], tiles.shape[3], out_px)
            result[block] = rows[:, None] @ tiles[block].float() @ columns[:, None].mT
    return result


def _filter(centre: Tensor, half: Tensor, size: int, out_px: int) -> Tensor:
    """Weights of the pixels of a line in the pixels of its crop, (n, out_px, size).

    A triangle as wide as two pixels of the line or of the crop, whichever are larger: bilinear where the crop is
    enlarged, the filter of Pillow and of torch's ``antialias`` where it is shrunk. The line is reflected at its edges.

    Args:
        centre, half: of the crop, where the line is the interval from -1 to 1, (n,). A negative half mirrors; a crop
            reaches beyond the line by less than half of it.
        size: pixels of the line.
        out_px: pixels of the crop.
    """
    steps = (2 * torch.arange(out_px, device=centre.device) + 1 - out_px) / out_px
    at = ((centre[:, None] + half[:, None] * steps + 1) * size - 1) / 2
    width = (half.abs() * size / out_px).clamp(min=1)
    margin = (size + 1) // 2
    pixels = torch.arange(-margin, size + margin, device=centre.device)
    weights = (1 - (pixels - at[..., None]).abs() / width[:, None, None]).clamp(min=0)
    weights = weights / weights.sum(-1, keepdim=True)
    line: Tensor = weights[..., margin : margin + size].clone()
    line[..., :margin] += weights[..., :margin].flip(-1)
    line[..., size - margin :] += weights[..., margin + size :].flip(-1)
    return line
