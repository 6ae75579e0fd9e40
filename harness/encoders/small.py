"""The registered encoders of our own: what they are called and which tiles they take. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.errors import UsageError
from harness.encoders.encoder import Encoder
from harness.encoders.names import CONV27_PX, CONV64_LEAST_PX

if TYPE_CHECKING:
    from harness.encoders.base import TileEncoder, Triple

_HALF: Triple = (0.5, 0.5, 0.5)


class SmallConv27(Encoder):
    """See :mod:`harness.encoders.conv27`."""

    name = "conv27"

    def check(self, tile_px: int) -> None:
        """One size alone."""
        if tile_px != CONV27_PX:
            raise UsageError(
                f"conv27 takes tiles of 27 x 27 pixels, these have {tile_px} x {tile_px}",
                place=f"encoder {self.name!r}",
                fix="use conv64, or a timm name such as resnet18.tv_in1k, for other sizes",
            )

    def build(self, tile_px: int) -> TileEncoder:
        """With drawn weights."""
        from harness.encoders import conv27
        from harness.encoders.base import TileEncoder

        return TileEncoder(conv27.Conv27(), name=self.name, dim=conv27.DIM, mean=_HALF, std=_HALF)


class SmallConv64(Encoder):
    """See :mod:`harness.encoders.conv64`."""

    name = "conv64"

    def check(self, tile_px: int) -> None:
        """Larger tiles than its receptive field."""
        if tile_px < CONV64_LEAST_PX:
            raise UsageError(
                f"conv64 takes tiles from {CONV64_LEAST_PX} pixels on, these have {tile_px}",
                place=f"encoder {self.name!r}",
                fix="use conv27 for 27 x 27 patches, or larger tiles (input.tile_px)",
            )

    def build(self, tile_px: int) -> TileEncoder:
        """With drawn weights."""
        from harness.encoders import conv64
        from harness.encoders.base import TileEncoder

        return TileEncoder(conv64.Conv64(), name=self.name, dim=conv64.DIM, mean=_HALF, std=_HALF)
