"""Bag sources: the only view of the data that a method gets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.slides.scale import Scale

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from harness.api.card import InputKind
    from harness.tasks.task import Task
    from harness.tasks.truth import Truth

__all__ = ["BagSource", "Extent", "Scale"]


@dataclass(frozen=True)
class Extent:
    """How large a slide and its tiles are, in level-0 pixels.

    Attributes:
        width, height: of the slide.
        sides: side of a tile at each scale, the finest first.
    """

    width: int
    height: int
    sides: tuple[int, ...]


class BagSource(ABC):
    """Some bags of one split part, in a fixed order.

    Attributes:
        kind: ``features`` (a bag is (n, D) float32) or ``tiles`` (a bag is (n, 3, H, W) uint8, RGB).
        ids: slide ids.
        labels: what the loss takes of each bag, shape (n_bags,): the class index, int64; in another task see
            :meth:`harness.Task.encode`. None for bags whose labels are held out (test).
        scales: magnifications, the finest first; a single one for features.
        dim: feature width D; 0 for tiles.
        reports: per bag the text of its pathology report; None for bags without labels, for methods whose card does not
            ask for ``reports``, and for datasets without any.
        patients: per bag the id of its patient; None where ``reports`` is.
        truth: the bags' columns of the label table; None for bags without labels.
        task: what the labels are of; None for classes.
    """

    kind: InputKind
    ids: tuple[str, ...]
    labels: NDArray[np.int64] | None
    scales: tuple[Scale, ...]
    dim: int
    reports: tuple[str, ...] | None = None
    patients: tuple[str, ...] | None = None
    truth: Truth | None = None
    task: Task | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @abstractmethod
    def count(self, bag: int, scale: int = 0) -> int:
        """Number of tiles of bag number ``bag`` at ``scales[scale]``."""

    @abstractmethod
    def read(self, bag: int, rows: NDArray[np.int64] | None = None, scale: int = 0) -> Tensor:
        """Tiles of a bag on the CPU: (n, D) float32 or (n, 3, H, W) uint8.

        Args:
            bag: position in ``ids``.
            rows: which tiles, in which order (repeats allowed); None for all.
            scale: position in ``scales``.
        """

    @abstractmethod
    def coords(self, bag: int, scale: int = 0) -> NDArray[np.int64] | None:
        """Top-left corner of every tile in level-0 pixels, shape (n, 2) as (x, y); None where unknown."""

    def extent(self, bag: int) -> Extent | None:
        """Size of the slide and of its tiles; None where there is no slide (features, patches that came cut out)."""
        return None

    def thumbnail(self, bag: int, side: int) -> Tensor | None:
        """The whole slide, squeezed into a square: (3, side, side) uint8, RGB; None where there is no slide."""
        return None

    def mask(self, bag: int, side: int) -> NDArray[np.bool_] | None:
        """The annotated lesions over the same square as :meth:`thumbnail`: (side, side), True inside a lesion.

        None where nobody has outlined them, where the method's card does not say that it needs ``masks``, and always
        for bags whose labels are held out.
        """
        return None
