"""Lesion masks over whole slides, for the methods that say on their card that they learn from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import LeakError
from harness.datasets.annotations import Annotations, mask, read_asap
from harness.datasets.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Masks:
    """Lesion masks of some slides. Calling it with a slide id and a side gives :data:`MaskOf`'s answer.

    A slide without a lesion has an empty mask; a positive slide whose annotation is missing is unknown.

    Attributes:
        files: annotation files.
        sizes: level-0 width and height of the slides.
        healthy: slides without any lesion.
    """

    files: Mapping[str, Path]
    sizes: Mapping[str, tuple[int, int]]
    healthy: frozenset[str]

    def only(self, slides: Collection[str], *, held_out: Collection[str]) -> Masks:
        """The masks of ``slides`` and of no others.

        Raises:
            LeakError: one of them is held out: a test slide.
        """
        if opened := sorted(set(slides) & set(held_out)):
            raise LeakError(
                f"lesion masks of held-out slides were asked for: {listed(opened)}",
                place="the lesion masks",
                fix="ask for those of training and validation slides only",
            )
        return Masks(
            {slide: path for slide, path in self.files.items() if slide in slides},
            {slide: size for slide, size in self.sizes.items() if slide in slides},
            self.healthy & set(slides),
        )

    def __call__(self, slide: str, side: int) -> NDArray[np.bool_] | None:
        """The lesions of a slide squeezed into a square, (side, side); None where unknown.

        Raises:
            LeakError: the slide is none of those whose masks were given.
        """
        if slide not in self.sizes:
            raise LeakError(
                f"the lesion mask of slide {slide} was asked for, which is not among these bags",
                place="BagSource.mask",
                fix="ask for the masks of the bags that were given",
            )
        if slide in self.healthy:
            return np.zeros((side, side), np.bool_)
        if slide not in self.files:
            return None
        # The outlines are squeezed as the thumbnail is, which does not keep the slide's proportions.
        squeeze = side / np.array(self.sizes[slide])
        found = read_asap(self.files[slide])
        squeezed = Annotations(
            *(tuple(outline * squeeze for outline in part) for part in (found.positive, found.negative))
        )
        return mask(squeezed, 0, 0, side, side)
