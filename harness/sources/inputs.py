"""A dataset that has been opened: access to its bags, and apart from it what only the scorer and the pictures need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.datasets.fingerprint import dataset_fingerprint
from harness.sources.content_check import Sources

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.bags.access import BagAccess
    from harness.datasets.dataset import Dataset
    from harness.features.manifest import TrainingSlides
    from harness.protocols.near_duplicates import Comparison
    from harness.sources.masks import Masks

TruthOf = Callable[[str], "NDArray[np.int64] | None"]
"""Slide id → true label of every tile at the finest scale, or None where unknown. For the scorer only."""

PictureOf = Callable[[str, "NDArray[np.float32]"], "NDArray[np.uint8]"]
"""Slide id, weight per tile → RGB picture (H, W, 3) of where the weights are."""


@dataclass(frozen=True)
class SlidePicture:
    """A slide to draw on.

    Attributes:
        thumbnail: RGB, (H, W, 3).
        downsample: level-0 pixels per pixel of the thumbnail.
        mpp: microns per pixel of level 0.
        side: side of a tile of the finest scale in level-0 pixels.
        tissue: pieces of tissue as they were found for the tile grid, each its outline and then its holes, as corners
            (x, y) in level-0 pixels.
    """

    thumbnail: NDArray[np.uint8]
    downsample: float
    mpp: float
    side: float
    tissue: list[list[list[list[float]]]]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """An opened dataset. It stays with the process that scores; the one that trains gets :attr:`access` alone.

    Attributes:
        dataset: the dataset.
        content: slide id → SHA-256 of its content, for the leak audit and the fingerprint.
        access: reads the bags; holds no label.
        truth_of, picture_of: see :data:`TruthOf` and :data:`PictureOf`; None where there is nothing to know or show.
        slide_of: slide id → the slide to draw on, whatever is read of it; None where there are no slides.
        masks: lesion masks of all annotated slides, for methods that need them; None without annotations.
        hidden: files and folders that hold labels: hidden from the process that trains, where the system can.
        compare: compares the content of all slides, for near-duplicates; None where there is nothing to compare.
        trained_elsewhere: what was trained before and is used here (a tuned encoder), by the name it has in errors.
        sources: the files that units read, and what they were when they were opened.
        identity: what a unit depends on beside the content: tile grids, annotations, weights in a file; a hash of each.
        unchecked: what the leak audit cannot check, one sentence each.
        feature_set: the folder of the packed features that are read; None where none are, or they come otherwise.
        shared_cost: what was spent once for all studies that use it, by what it was spent on: ``features`` → seconds,
            device hours and the device, see :func:`harness.features.cost.cost_of`; None where it is not known.
    """

    dataset: Dataset
    content: Mapping[str, str]
    access: BagAccess
    truth_of: TruthOf | None = None
    picture_of: PictureOf | None = None
    slide_of: Callable[[str], SlidePicture] | None = None
    masks: Masks | None = None
    hidden: tuple[Path, ...] = ()
    compare: Callable[[], Comparison] | None = None
    trained_elsewhere: Mapping[str, TrainingSlides] = field(default_factory=dict)
    unchecked: tuple[str, ...] = ()
    sources: Sources = field(default_factory=Sources)
    identity: Mapping[str, str] = field(default_factory=dict)
    feature_set: Path | None = None
    shared_cost: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every opened slide's id, patient, label and content."""
        return dataset_fingerprint(self.dataset, self.content, self.content.keys())
