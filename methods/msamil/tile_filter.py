"""SFFM, the second half: the tiles of a slide that lie in its predicted lesions, at each scale on its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import torch

from harness import BagSource
from methods.msamil.filtering import Kept, keep, window_shares

if TYPE_CHECKING:
    from methods.msamil.params import MsaMILParams
    from methods.msamil.segmenter import Segmenter


class TileFilter:
    """Keeps tiles by the lesions that the trained segmenter finds on the slide's own thumbnail.

    The windows are the tiles of the slide's tissue grid, which starts at its left top corner and steps by a tile's side
    at each scale. Masks that people drew are not looked at: training, validation and test slides are treated alike.

    Args:
        segmenter: trained; None keeps every tile (data without masks, or ``segment=false``).
        params: the method's hyper-parameters.
        device: where thumbnails are segmented.
    """

    def __init__(self, segmenter: Segmenter | None, params: MsaMILParams, device: torch.device) -> None:
        self.segmenter = segmenter
        self._params = params
        self._device = device
        self._known: WeakKeyDictionary[BagSource, dict[int, Kept]] = WeakKeyDictionary()

    def __call__(self, bags: BagSource, bag: int) -> Kept:
        """The tiles of a bag that are kept; found once for every source.

        Raises:
            ValueError: the bag has no tiles.
        """
        known = self._known.setdefault(bags, {})
        if bag not in known:
            known[bag] = self._find(bags, bag)
        return known[bag]

    def _find(self, bags: BagSource, bag: int) -> Kept:
        counts = [bags.count(bag, scale) for scale in range(len(bags.scales))]
        if not any(counts):
            raise ValueError(f"bag {bags.ids[bag]} has no tiles")
        everything = tuple(np.arange(count) for count in counts)
        extent = bags.extent(bag)
        thumbnail = None if self.segmenter is None else bags.thumbnail(bag, self._params.thumbnail_px)
        coords = [bags.coords(bag, scale) for scale in range(len(counts))]
        if self.segmenter is None or thumbnail is None or extent is None:
            return Kept(everything, "off")
        self.segmenter.eval()
        mask = self.segmenter.lesions(thumbnail.to(self._device), self._params.mask_threshold)
        shares = [
            window_shares(mask, np.zeros((0, 2), np.int64) if grid is None else grid, side, extent.width, extent.height)
            for grid, side in zip(coords, extent.sides, strict=True)
        ]
        return keep(
            shares,
            above=self._params.lesion_share,
            top=self._params.fallback_top,
            least=self._params.fallback_share,
        )


def kept_facts(parts: Mapping[str, Sequence[Kept]]) -> dict[str, float | int | str | bool | None]:
    """For the record: how many tiles were kept per scale on average, and by which rule, in each part."""
    facts: dict[str, float | int | str | bool | None] = {}
    for part, kept in parts.items():
        for scale in range(len(kept[0].rows) if kept else 0):
            facts[f"{part}_tiles_scale_{scale}"] = round(float(np.mean([len(one.rows[scale]) for one in kept])), 2)
        facts |= {f"{part}_slides_by_{rule}": count for rule, count in sorted(Counter(k.rule for k in kept).items())}
    return facts
