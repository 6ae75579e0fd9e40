"""What decides which tiles a slide has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.hashing import sha256_json
from harness.datasets.reading_tiles import PLAIN_READING
from harness.slides.resolution import DECLARED
from harness.slides.scale import Scale

if TYPE_CHECKING:
    from harness.datasets.card import TissueSettings
    from harness.datasets.reading_tiles import Align, Resampler
    from harness.datasets.source_fields import DamagedTiles

_RULES = 3
"""Raised whenever the code for resolution, tissue or grid changes what it finds, so that old indices are made again."""

TISSUE_OPTIONS = {
    "background": "--tissue-background",
    "measure": "--tissue-measure",
    "threshold": "--tissue-threshold",
    "pen": "--tissue-pen",
    "min_fraction": "--tissue-fraction",
    "min_area_mm2": "--tissue-area",
}
"""The options of ``bench prepare`` for the settings in a card's ``tissue``."""


@dataclass(frozen=True)
class PrepareSettings:
    """Settings of ``prepare_slides``.

    Attributes:
        mpp: resolutions of the tiles in microns per pixel, the finest first.
        tile_px: side of a tile in pixels.
        tissue: how tissue is found.
        slide_mpp: microns per pixel of level 0, for slides that do not say.
        align: where the grid starts, see :class:`harness.datasets.card.InputSettings`.
        resampler: how tiles come to their resolution, see there.
        damaged_tiles: whether a slide with tiles that cannot be decoded is refused, or those are left out.
    """

    mpp: tuple[float, ...]
    tile_px: int
    tissue: TissueSettings
    slide_mpp: float | None = None
    damaged_tiles: DamagedTiles = "refuse"
    align: Align = "corner"
    resampler: Resampler = "level"

    def __post_init__(self) -> None:
        if not self.mpp or list(self.mpp) != sorted(set(self.mpp)) or self.mpp[0] <= 0:
            raise ValueError(f"resolutions must be positive and rising, not {self.mpp}")
        if self.tile_px < 1:
            raise ValueError(f"a tile of {self.tile_px} pixels")

    @property
    def scales(self) -> tuple[Scale, ...]:
        """One scale per resolution."""
        return tuple(Scale(mpp, self.tile_px) for mpp in self.mpp)

    @property
    def hash(self) -> str:
        """Identity of all settings."""
        return self.hash_for(DECLARED)

    def hash_for(self, mpp_source: str) -> str:
        """Identity of the settings that matter to a slide: the declared resolution only where it is used."""
        return sha256_json(
            {
                "rules": _RULES,
                "mpp": list(self.mpp),
                "tile_px": self.tile_px,
                "tissue": self.tissue.model_dump(mode="json"),
                "slide_mpp": self.slide_mpp if mpp_source == DECLARED else None,
                **({} if self.damaged_tiles == "refuse" else {"damaged_tiles": self.damaged_tiles}),
                **{name: own for name, plain in PLAIN_READING.items() if (own := getattr(self, name)) != plain},
            }
        )
