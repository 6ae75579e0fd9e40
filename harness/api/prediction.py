"""What a method predicts: class probabilities per slide and, where it has any, attention per tile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import MethodError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Prediction:
    """Predictions for some slides.

    Attributes:
        slides: slide ids, in the order of the rows.
        probabilities: class probabilities, shape (n_slides, n_classes), rows sum to one. In survival of an event in
            each interval, and later: shape (n_slides, n_intervals + 1). A single column
            holds a number, as in regression.
        attention: per slide the weight of each tile at the finest scale, shape (n_tiles,), or None.
        tiles: further numbers per tile by name, as ``attention``; see :class:`harness.BagOutput`.
    """

    slides: tuple[str, ...]
    probabilities: NDArray[np.float64]
    attention: tuple[NDArray[np.float32], ...] | None = None
    tiles: Mapping[str, tuple[NDArray[np.float32], ...]] = field(default_factory=dict)

    @property
    def per_tile(self) -> dict[str, tuple[NDArray[np.float32], ...]]:
        """All numbers per tile by name: :attr:`tiles`, and ``attention`` where there is any."""
        return dict(self.tiles) if self.attention is None else {"attention": self.attention, **self.tiles}

    def check(self, slides: Sequence[str], n_classes: int, *, method: str) -> None:
        """Raise MethodError unless this is a well-formed prediction for ``slides``."""
        expected = (len(slides), n_classes)
        if self.slides != tuple(slides):
            problem = "predictions are for other slides than were asked"
        elif self.probabilities.shape != expected:
            problem = f"probabilities have shape {self.probabilities.shape}, expected {expected}"
        elif not np.isfinite(self.probabilities).all():
            bad = self.slides[int(np.argmin(np.isfinite(self.probabilities).all(axis=1)))]
            problem = f"probabilities of slide {bad} are not finite"
        elif n_classes == 1:
            return  # a number, which is no distribution
        elif (self.probabilities < 0).any() or not np.allclose(self.probabilities.sum(axis=1), 1, atol=1e-5):
            problem = "probabilities do not sum to one"
        else:
            return
        raise MethodError(
            problem, place=f"method {method}, predict()", fix="check the method's outputs for NaN and shape"
        )
