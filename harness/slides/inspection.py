"""Whether a slide can be used, for ``bench datasets verify --open``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.protocols.perceptual import perceptual_hash
from harness.slides.damaged_tiles import damage_error, damaged_tiles, in_tissue
from harness.slides.files import slide_files
from harness.slides.reader import open_slide
from harness.slides.tissue import find_tissue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.datasets.card import TissueSettings
    from harness.datasets.source_fields import DamagedTiles

Keep = Callable[[Path, "NDArray[np.uint8]"], None]


def inspect_slide(
    path: Path, *, mpp: float | None, tissue: TissueSettings, on_damage: DamagedTiles, keep: Keep | None = None
) -> str:
    """Open a slide, ask for its resolution, look at its tiles, and read from every level.

    Args:
        path: the slide.
        mpp: declared resolution of level 0, for files that do not say.
        tissue: how tissue is found.
        on_damage: whether damaged tiles are an error.
        keep: is given the path and a thumbnail of the slide, (H, W, 3) RGB.

    Returns:
        The perceptual hash of its thumbnail.

    Raises:
        DataError: it cannot be opened or read, does not say its resolution, or has damaged tiles.
    """
    with open_slide(path, mpp=mpp) as slide:
        native = slide.need_mpp()
        damaged = damaged_tiles(slide_files(path), slide.width, slide.height)
        broken = [tile for tile in damaged if not tile.empty]
        if broken and on_damage == "refuse":
            raise damage_error(broken, path)
        if not broken:
            slide.check()
        overview_mpp = max(native, tissue.mpp)
        overview = slide.thumbnail(overview_mpp)
        if damaged and on_damage == "refuse":
            mask = find_tissue(overview, overview_mpp, tissue).mask
            if lost := in_tissue(damaged, mask, slide.width, slide.height):
                raise damage_error(lost, path)
        if keep is not None:
            keep(path, overview)
        return perceptual_hash(overview)
