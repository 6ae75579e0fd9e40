"""What a registered tile encoder says of itself, before anything is built. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from harness.encoders.base import TileEncoder


class Encoder(ABC):
    """A tile encoder that ``--encoder`` finds by its name.

    ``file:NAME=PATH`` builds the same network with the weights of a file.

    Attributes:
        name: the word behind ``--encoder``: lower-case letters, digits, ``_``, ``-`` and ``.``.
        version: raised when features change; None stands for a hash of the source. It is part of the identity of units
            that use the encoder, and not used for built-in ones.
    """

    name: ClassVar[str]
    version: ClassVar[int | None] = None

    @abstractmethod
    def build(self, tile_px: int) -> TileEncoder:
        """The network, on the CPU, in training mode.

        Drawn weights come from torch's global generator, which depends on the encoder's name and the run's seed alone.

        Args:
            tile_px: side in pixels of the tiles that it will be given.
        """

    def published(self) -> Path | None:
        """The published weights, fetched if need be; None where :meth:`build` draws or reads its own."""
        return None

    def load(self, file: Path, tile_px: int) -> TileEncoder:
        """The network with the weights in ``file``: those of ``file:NAME=PATH``, or the published ones.

        Raises:
            DataError: the weights of another network.
        """
        from torch import nn

        from harness.encoders.weights import load_file

        built = self.build(tile_px)
        if isinstance(body := getattr(built, "body", None), nn.Module):
            load_file(body, file, name=self.name)
        return built

    def check(self, tile_px: int) -> None:
        """Refuse tiles that the network cannot take, with UsageError."""
        return

    def files(self) -> Sequence[Path]:
        """Files with weights that :meth:`build` reads: their content is part of the identity of units."""
        return ()
