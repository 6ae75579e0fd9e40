"""The encoders of the table as classes of the registry: ``harness.encoders.named:NAME`` for every row. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from harness.core.errors import UsageError
from harness.encoders.encoder import Encoder
from harness.encoders.published import fetch
from harness.encoders.table import ROWS, Row
from harness.encoders.table.row import Elsewhere, Network, Package

if TYPE_CHECKING:
    from harness.encoders.base import TileEncoder


class NamedEncoder(Encoder):
    """An encoder of the table.

    Attributes:
        row: what is known of it.
    """

    row: ClassVar[Row]

    def check(self, tile_px: int) -> None:
        """Refuse what is not built here, and what a package builds that is not installed."""
        row, builder = self.row, self.row.builder
        if isinstance(builder, Elsewhere):
            raise UsageError(
                f"{row.name} is not built here: {builder.reason}",
                place=f"encoder {row.name!r}",
                fix="extract features with TRIDENT or slide2vec, then: bench datasets new NAME --features FOLDER",
            )
        if isinstance(builder, Package):
            from harness.encoders.packaged import check_package

            check_package(row, builder)

    def build(self, tile_px: int) -> TileEncoder:
        """With drawn weights."""
        from harness.encoders.build_row import drawn

        if not isinstance(self.row.builder, Network):
            raise UsageError(
                f"{self.row.name} is built with its weights alone",
                place=f"encoder {self.row.name!r}",
                fix=f"write {self.row.name}, or file:{self.row.name}=PATH",
            )
        return drawn(self.row, self.row.builder)

    def published(self) -> Path:
        """The published weights, from the hub, its cache, or a package."""
        builder = self.row.builder
        configured = isinstance(builder, Network) and builder.configured
        return fetch(self.row.weights, name=self.row.name, place=f"encoder {self.row.name!r}", config=configured)

    def load(self, file: Path, tile_px: int) -> TileEncoder:
        """With the weights in a file."""
        builder = self.row.builder
        if isinstance(builder, Package):
            from harness.encoders.packaged import from_package

            return from_package(self.row, builder, file)
        from harness.encoders.build_row import loaded

        assert isinstance(builder, Network)
        return loaded(self.row, builder, file)


CLASSES = {
    row.identifier: type(f"Named_{row.identifier}", (NamedEncoder,), {"name": row.name, "row": row, "version": 1})
    for row in ROWS
    if row.registered
}
"""By the row's name as an identifier."""


def __getattr__(name: str) -> type[NamedEncoder]:
    if name in CLASSES:
        return CLASSES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
