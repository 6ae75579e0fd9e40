"""The bags of a dataset, opened once and shared by all units of a study."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.bags.feature_source import FeatureBags, Normaliser
from harness.bags.tile_source import TileBags, TileReader
from harness.protocol.fingerprint import dataset_fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.bags.source import BagSource
    from harness.protocol.dataset import Dataset

TruthOf = Callable[[str], "NDArray[np.int64] | None"]
"""Slide id → true label of every tile at the finest scale, or None where unknown. For the scorer only."""

PictureOf = Callable[[str, "NDArray[np.float32]"], "NDArray[np.uint8]"]
"""Slide id, weight per tile → RGB picture (H, W, 3) of where the weights are."""


class Inputs(ABC):
    """Bags of any slides of a dataset.

    Attributes:
        dataset: the dataset.
        content: slide id → SHA-256 of its content, for the leak audit and the fingerprint.
        truth_of, picture_of: see :data:`TruthOf` and :data:`PictureOf`; None where there is nothing to know or show.
    """

    def __init__(
        self,
        dataset: Dataset,
        content: Mapping[str, str],
        truth_of: TruthOf | None = None,
        picture_of: PictureOf | None = None,
    ) -> None:
        self.dataset = dataset
        self.content = content
        self.truth_of = truth_of
        self.picture_of = picture_of

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every opened slide's id, patient, label and content."""
        return dataset_fingerprint(self.dataset, self.content, self.content.keys())

    @abstractmethod
    def bags(
        self, slides: Sequence[str], labels: NDArray[np.int64] | None, normaliser: Normaliser | None = None
    ) -> BagSource:
        """Bags of ``slides``, in this order; ``labels`` None seals them."""

    def normaliser(self, slides: Sequence[str]) -> Normaliser | None:
        """Standardisation fitted on the features of ``slides``; None for tiles."""
        return None


class FeatureInputs(Inputs):
    """Feature vectors: given with the dataset, or extracted by a frozen encoder.

    Args:
        dataset, content, truth_of, picture_of: see :class:`Inputs`.
        bag_of: slide id → (n, D) float array.
        dim: D.
        coords_of: slide id → (n, 2) top-left corners; None where unknown.
    """

    def __init__(
        self,
        dataset: Dataset,
        content: Mapping[str, str],
        bag_of: Callable[[str], NDArray[np.float32]],
        dim: int,
        *,
        coords_of: Callable[[str], NDArray[np.int64] | None] | None = None,
        truth_of: TruthOf | None = None,
        picture_of: PictureOf | None = None,
    ) -> None:
        super().__init__(dataset, content, truth_of, picture_of)
        self._bag_of = bag_of
        self._dim = dim
        self._coords_of = coords_of

    def bags(
        self, slides: Sequence[str], labels: NDArray[np.int64] | None, normaliser: Normaliser | None = None
    ) -> BagSource:
        """Feature bags."""
        return FeatureBags(slides, labels, self._bag_of, self._dim, coords_of=self._coords_of, normaliser=normaliser)

    def normaliser(self, slides: Sequence[str]) -> Normaliser:
        """Standardisation fitted on ``slides``."""
        return Normaliser.fit([self._bag_of(slide) for slide in slides])


class TileInputs(Inputs):
    """Image tiles, read as they are drawn.

    Args:
        dataset, content, truth_of, picture_of: see :class:`Inputs`.
        reader: reads the tiles of any slide.
    """

    def __init__(
        self,
        dataset: Dataset,
        content: Mapping[str, str],
        reader: TileReader,
        *,
        truth_of: TruthOf | None = None,
        picture_of: PictureOf | None = None,
    ) -> None:
        super().__init__(dataset, content, truth_of, picture_of)
        self.reader = reader

    def bags(
        self, slides: Sequence[str], labels: NDArray[np.int64] | None, normaliser: Normaliser | None = None
    ) -> BagSource:
        """Tile bags."""
        return TileBags(slides, labels, self.reader)
