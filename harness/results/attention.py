"""Attention made visible: over a slide's thumbnail, or as a montage of the tiles that got most and least of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]

FULL = 0.995
"""Quantile of the weights that gets the full colour: one extreme tile must not leave the others pale."""
_OPAQUE = 0.78
_INK, _PAPER = (34, 39, 46), (255, 255, 255)


def attention_thumbnail(
    thumbnail: Image, coords_x0: ArrayLike, side_x0: float, weights: ArrayLike, downsample: float
) -> Image:
    """A slide's thumbnail with its attention as colour, (H, W, 3).

    The colour follows the weight on a linear scale from zero to the 99.5 % quantile, and its opacity goes along:
    what was not looked at stays as it is. Overlapping tiles are averaged.

    Args:
        thumbnail: RGB, (H, W, 3).
        coords_x0: top-left corners of the tiles in level-0 pixels, (n, 2) as x, y.
        side_x0: side of a tile in level-0 pixels.
        weights: attention of each tile, not negative, (n,).
        downsample: level-0 pixels per thumbnail pixel.
    """
    strength = relative_strength(weights)
    field, covered = _spread(strength, np.asarray(coords_x0, dtype=np.float64), side_x0, downsample, thumbnail.shape)
    opacity = np.where(covered, _OPAQUE * field**0.7, 0.0)[..., None]
    mixed = (1 - opacity) * thumbnail + opacity * colours(field)
    return np.rint(mixed).astype(np.uint8)


def patch_montage(tiles: Image, weights: ArrayLike, k: int = 16, *, columns: int = 8, side: int = 64) -> Image:
    """The k tiles with the largest weights and the k with the smallest ones, framed by their colour, (H, W, 3).

    Args:
        tiles: RGB, (n, h, w, 3).
        weights: attention of each tile, (n,).
        k: how many of each; of fewer than 2 k tiles no tile is shown twice.
        columns: tiles per row.
        side: side of a drawn tile in pixels.
    """
    w = np.asarray(weights, dtype=np.float64)
    order = np.argsort(-w, kind="stable")
    most = order[: min(k, (len(w) + 1) // 2)]
    least = order[len(most) :][-k:][::-1]
    frames = colours(relative_strength(w))
    blocks = [
        _block(f"{name} attention", tiles[chosen], frames[chosen], w[chosen] * len(w), columns, side)
        for name, chosen in (("highest", most), ("lowest", least))
        if len(chosen)
    ]
    return np.concatenate(blocks)


def relative_strength(weights: ArrayLike) -> Floats:
    """Weights on a linear scale from 0 to 1, which stands for their 99.5 % quantile and all above it, (n,)."""
    w = np.clip(np.nan_to_num(np.asarray(weights, dtype=np.float64)), 0, None)
    if not len(w) or not w.max() > 0:
        return np.zeros(len(w))
    top = np.quantile(w, FULL)
    return np.asarray(np.clip(w / (top if top > 0 else w.max()), 0, 1))


def colours(strength: Floats) -> Floats:
    """RGB in 0..255 of strengths in 0..1: from blue over yellow to red, which H&E is none of, (..., 3)."""
    import matplotlib

    table: Any = matplotlib.colormaps["turbo"]
    return np.asarray(table(0.1 + 0.82 * strength)[..., :3] * 255)


def _spread(
    strength: Floats, coords: Floats, side: float, downsample: float, shape: tuple[int, ...]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Mean strength of the tiles over each pixel, and which pixels any tile covers, (H, W) each.

    Each tile adds its strength at two corners and takes it back at two; running sums then fill the rectangles.
    """
    height, width = shape[:2]
    low = np.floor(coords / downsample).astype(np.int64)
    high = np.maximum(np.ceil((coords + side) / downsample).astype(np.int64), low + 1)
    limit = np.array([width, height])
    low, high = np.clip(low, 0, limit), np.clip(high, 0, limit)
    corners: Floats = np.zeros((2, height + 1, width + 1))
    for layer, value in zip(corners, (strength, np.ones(len(strength))), strict=True):
        for x, y, sign in ((low, low, 1), (high, low, -1), (low, high, -1), (high, high, 1)):
            np.add.at(layer, (y[:, 1], x[:, 0]), sign * value)
    total, count = corners.cumsum(axis=1).cumsum(axis=2)[:, :height, :width]
    covered = count > 0.5
    field = np.divide(total, count, out=np.zeros((height, width)), where=covered)
    return np.clip(field, 0, 1), covered


def _block(title: str, tiles: Image, frames: Floats, times: Floats, columns: int, side: int) -> Image:
    """A heading and rows of framed tiles, each over its weight in multiples of the even share, (H, W, 3)."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    cell, text, margin = side + 10, 16, 8
    rows = -(-len(tiles) // columns)
    canvas = Pillow.new("RGB", (2 * margin + columns * cell, 30 + rows * (cell + text)), _PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((margin, 8), f"{title} (times the even share)", fill=_INK, font=ImageFont.load_default(14))
    small = ImageFont.load_default(11)
    for number, (tile, frame, share) in enumerate(zip(tiles, frames, times, strict=True)):
        x, y = margin + number % columns * cell, 30 + number // columns * (cell + text)
        draw.rectangle((x, y, x + side + 5, y + side + 5), fill=tuple(int(value) for value in frame))
        scaled = Pillow.fromarray(tile).resize((side, side), Pillow.Resampling.BICUBIC)
        canvas.paste(scaled, (x + 3, y + 3))
        draw.text((x + 3, y + side + 6), f"{share:.2f}" if share >= 0.01 else "< 0.01", fill=_INK, font=small)
    return np.asarray(canvas)
