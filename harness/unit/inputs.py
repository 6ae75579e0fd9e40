"""The bags of a dataset, opened once and shared by all units of a study."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.bags.feature_source import FeatureBags, Normaliser
from harness.bags.tile_source import MaskOf, TileBags, TileReader
from harness.errors import LeakError
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
        self,
        slides: Sequence[str],
        labels: NDArray[np.int64] | None,
        normaliser: Normaliser | None = None,
        *,
        masks: bool = False,
    ) -> BagSource:
        """Bags of ``slides``, in this order; ``labels`` None seals them.

        With ``masks`` they show the lesions that are annotated, where there are any (slides only).

        Raises:
            LeakError: masks of sealed slides are asked for.
        """

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
        self,
        slides: Sequence[str],
        labels: NDArray[np.int64] | None,
        normaliser: Normaliser | None = None,
        *,
        masks: bool = False,
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
        mask_of: lesion mask of any slide, for methods that need them; None for a dataset without annotations.
    """

    def __init__(
        self,
        dataset: Dataset,
        content: Mapping[str, str],
        reader: TileReader,
        *,
        truth_of: TruthOf | None = None,
        picture_of: PictureOf | None = None,
        mask_of: MaskOf | None = None,
    ) -> None:
        super().__init__(dataset, content, truth_of, picture_of)
        self.reader = reader
        self._mask_of = mask_of

    def bags(
        self,
        slides: Sequence[str],
        labels: NDArray[np.int64] | None,
        normaliser: Normaliser | None = None,
        *,
        masks: bool = False,
    ) -> BagSource:
        """Tile bags."""
        if masks and labels is None:
            raise LeakError(
                "lesion masks of sealed slides were asked for",
                place=f"dataset {self.dataset.name}",
                fix="ask for those of training and validation slides only",
            )
        mask_of = _only(self._mask_of, slides) if masks and self._mask_of is not None else None
        return TileBags(slides, labels, self.reader, mask_of=mask_of)


def _only(mask_of: MaskOf, slides: Sequence[str]) -> MaskOf:
    """``mask_of`` for ``slides`` and no others."""
    allowed = frozenset(slides)

    def mask(slide: str, side: int) -> NDArray[np.bool_] | None:
        if slide not in allowed:
            raise LeakError(
                f"the lesion mask of slide {slide} was asked for, which is not among these bags",
                place="BagSource.mask",
                fix="ask for the masks of the bags that were given",
            )
        return mask_of(slide, side)

    return mask
