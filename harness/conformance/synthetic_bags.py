"""Small synthetic bags for the contract suite: features, or tiles cut from drawn slides at one or several scales."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.bags.source import BagSource, Extent, Scale

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from harness.api.card import InputKind, Need
    from harness.tasks.task import Task

FEATURE_DIM = 16
FINEST_MPP = 0.5
GRID = 4
"""A drawn slide has GRID × GRID tiles at its finest scale."""

_FINDINGS = ("No malignancy is seen.", "Carcinoma in part of the slide.", "Extensive poorly differentiated carcinoma.")


@dataclass(frozen=True)
class SyntheticBag:
    """One bag.

    Attributes:
        name: its id.
        label: class index.
        tiles: per scale, the finest first: (n, D) float32 features or (n, H, W, 3) uint8 tiles.
        coords: per scale the top-left corners of the tiles in level-0 pixels, (n, 2) as (x, y).
        image: the drawn slide (H, W, 3) uint8 at :data:`FINEST_MPP`; None for features.
        lesion: its annotated pixels (H, W) bool; None for features.
    """

    name: str
    label: int
    tiles: tuple[NDArray[Any], ...]
    coords: tuple[NDArray[np.int64], ...]
    image: NDArray[np.uint8] | None = None
    lesion: NDArray[np.bool_] | None = None

    def taken(self, rows: Sequence[NDArray[np.int64]]) -> SyntheticBag:
        """The same bag with only these tiles of every scale, in this order."""
        tiles = tuple(values[chosen] for values, chosen in zip(self.tiles, rows, strict=True))
        coords = tuple(values[chosen] for values, chosen in zip(self.coords, rows, strict=True))
        return SyntheticBag(self.name, self.label, tiles, coords, self.image, self.lesion)

    def cut(self, count: int) -> SyntheticBag:
        """The same bag with at most ``count`` tiles of every scale."""
        return self.taken([np.arange(min(count, len(values))) for values in self.tiles])


class SyntheticBags(BagSource):
    """Bags held in memory. Every read gives a fresh tensor, so that a method cannot spoil them for later checks.

    Args:
        kind: ``features`` or ``tiles``.
        bags: the bags.
        scales: magnifications of each.
        held_out: leave the labels out, as those of test slides are.
        needs: what the method's card asks for: ``masks``, ``reports`` (which say the class in words). Sealed bags have
            neither.
    """

    def __init__(
        self,
        kind: InputKind,
        bags: Sequence[SyntheticBag],
        scales: tuple[Scale, ...],
        *,
        held_out: bool = False,
        needs: Collection[Need] = (),
    ) -> None:
        self.kind = kind
        self.needs = needs
        self.bags = tuple(bags)
        self.scales = scales
        self.ids = tuple(bag.name for bag in bags)
        self.labels = None if held_out else np.array([bag.label for bag in bags], dtype=np.int64)
        self.dim = FEATURE_DIM if kind == "features" else 0
        if "reports" in needs and not held_out:
            self.reports = tuple(f"{_FINDINGS[bag.label % len(_FINDINGS)]} Block {bag.name}." for bag in bags)
            self.patients = tuple(f"patient_{bag.name}" for bag in bags)

    def count(self, bag: int, scale: int = 0) -> int:
        """Number of tiles."""
        return len(self.bags[bag].tiles[scale])

    def read(self, bag: int, rows: NDArray[np.int64] | None = None, scale: int = 0) -> Tensor:
        """Features (n, D) or tiles (n, 3, H, W)."""
        import torch

        values = self.bags[bag].tiles[scale]
        tensor = torch.from_numpy(np.array(values if rows is None else values[rows]))
        return tensor if self.kind == "features" else tensor.permute(0, 3, 1, 2)

    def coords(self, bag: int, scale: int = 0) -> NDArray[np.int64] | None:
        """Top-left corners (n, 2) in level-0 pixels."""
        return self.bags[bag].coords[scale]

    def extent(self, bag: int) -> Extent | None:
        """Size of a drawn slide; its finest scale is level 0."""
        image = self.bags[bag].image
        if image is None:
            return None
        return Extent(
            image.shape[1], image.shape[0], tuple(scale.tile_px * 2**k for k, scale in enumerate(self.scales))
        )

    def thumbnail(self, bag: int, side: int) -> Tensor | None:
        """The drawn slide as (3, side, side) uint8."""
        import torch

        image = self.bags[bag].image
        return None if image is None else torch.from_numpy(_squeezed(image, side)).permute(2, 0, 1)

    def mask(self, bag: int, side: int) -> NDArray[np.bool_] | None:
        """The lesion as (side, side); None for bags without labels, as in a run."""
        lesion = self.bags[bag].lesion
        return None if lesion is None or self.labels is None or "masks" not in self.needs else _squeezed(lesion, side)

    def labelled(self, task: type[Task]) -> SyntheticBags | None:
        """The same bags with the labels of another task, a patient each; None where it has no example."""
        assert self.labels is not None
        found = task.example(self.labels, [f"patient_{name}" for name in self.ids])
        if found is None:
            return None
        made = self.with_bags(self.bags, held_out=False)
        made.task, made.truth = found
        made.labels = made.task.encode(made.truth)
        return made

    def with_bags(self, bags: Sequence[SyntheticBag], *, held_out: bool = True) -> SyntheticBags:
        """Other bags of the same kind."""
        return type(self)(self.kind, bags, self.scales, held_out=held_out, needs=self.needs)


def draw(
    kind: InputKind,
    count: int,
    *,
    seed: int,
    classes: int = 2,
    n_scales: int = 1,
    tile_px: int = 27,
    held_out: bool = False,
    needs: Collection[Need] = (),
) -> SyntheticBags:
    """``count`` bags of 5 to 9 tiles whose labels go round the classes.

    Args:
        kind: ``features`` or ``tiles``.
        count: number of bags.
        seed: other seeds draw other bags, with other names.
        classes: number of classes.
        n_scales: magnifications; each has half the resolution of the one before.
        tile_px: side of the tiles in pixels.
        held_out: leave the labels out.
        needs: what the method's card asks for beside labels.
    """
    rng = np.random.default_rng(seed)
    scales = tuple(Scale(FINEST_MPP * 2**k, tile_px) for k in range(n_scales if kind == "tiles" else 1))
    bags = []
    for number in range(count):
        name, label = f"specimen_{seed}_{number}", number % classes
        whole = _feature_bag(name, label, rng) if kind == "features" else _tile_bag(name, label, rng, scales)
        size = int(rng.integers(5, 10))
        bags.append(whole.taken([rng.permutation(len(values))[:size] for values in whole.tiles]))
    return SyntheticBags(kind, bags, scales, held_out=held_out, needs=needs)


def _corners(per_side: int, side: int) -> NDArray[np.int64]:
    """Top-left corners of a square grid of tiles, row by row, (per_side², 2) as (x, y)."""
    y, x = np.divmod(np.arange(per_side**2), per_side)
    return np.stack([x, y], 1) * side


def _feature_bag(name: str, label: int, rng: np.random.Generator) -> SyntheticBag:
    features = rng.normal(0, 1, (GRID**2, FEATURE_DIM)).astype(np.float32)
    features[::2, label] += 2
    return SyntheticBag(name, label, (features,), (_corners(GRID, 256),))


def _tile_bag(name: str, label: int, rng: np.random.Generator, scales: tuple[Scale, ...]) -> SyntheticBag:
    """A pink slide with grain; beyond the first class it has a lesion, bluer and darker by class."""
    side = scales[0].tile_px
    extent = side * GRID
    image = rng.normal((225, 170, 200), 18, (extent, extent, 3))
    lesion = np.zeros((extent, extent), bool)
    if label:
        top, left = rng.integers(0, extent // 2, 2)
        lesion[top : top + extent // 2, left : left + extent // 2] = True
        image[lesion] -= np.array((90, 70, 20)) * label / (label + 0.5)
    pixels = image.clip(0, 255).astype(np.uint8)
    tiles, coords = [], []
    for number in range(len(scales)):
        step = 2**number
        corners = _corners(max(GRID // step, 1), side * step)
        small = pixels[::step, ::step]
        tiles.append(np.stack([_cut(small, corner // step, side) for corner in corners]))
        coords.append(corners)
    return SyntheticBag(name, label, tuple(tiles), tuple(coords), pixels, lesion)


def _cut(image: NDArray[np.uint8], corner: NDArray[np.int64], side: int) -> NDArray[np.uint8]:
    """One tile; where the image is smaller it is repeated."""
    x, y = corner
    part = image[y : y + side, x : x + side]
    return np.pad(part, [(0, side - part.shape[0]), (0, side - part.shape[1]), (0, 0)], mode="wrap")


def _squeezed(image: NDArray[Any], side: int) -> NDArray[Any]:
    """The nearest pixels of ``image`` (H, W, ...) in a square of this side."""
    rows, columns = (np.arange(side) * extent // side for extent in image.shape[:2])
    squeezed: NDArray[Any] = image[rows][:, columns]
    return squeezed
