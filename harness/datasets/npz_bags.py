"""Feature vectors that come with a dataset: an ``.npz`` beside the card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from harness.core.arrays import read_npz
from harness.core.errors import DataError
from harness.datasets.dataset import Dataset
from harness.datasets.fingerprint import bag_fingerprint
from harness.datasets.source_fields import FeaturesSource

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class NpzBags:
    """Bags of feature vectors, one behind the other.

    Attributes:
        slides: slide ids, B.
        features: (T, D) float32.
        offsets: rows of bag b are ``offsets[b]`` to ``offsets[b + 1]``, (B + 1,) int64.
    """

    slides: tuple[str, ...]
    features: NDArray[np.float32]
    offsets: NDArray[np.int64]

    @property
    def dim(self) -> int:
        """Feature width D."""
        return int(self.features.shape[1])

    @cached_property
    def rows(self) -> Mapping[str, tuple[int, int]]:
        """Slide id → first row, and the row after the last."""
        return {slide: (int(self.offsets[b]), int(self.offsets[b + 1])) for b, slide in enumerate(self.slides)}

    def bag(self, slide: str) -> NDArray[np.float32]:
        """Features of one slide, (n, D), a view."""
        start, stop = self.rows[slide]
        return self.features[start:stop]

    @cached_property
    def fingerprints(self) -> Mapping[str, str]:
        """Slide id → SHA-256 of its features, whatever their order."""
        return {slide: bag_fingerprint(self.bag(slide)) for slide in self.slides}


def read_npz_bags(dataset: Dataset) -> NpzBags:
    """Read the features of a dataset that brings them.

    The file holds ``X`` (T, D), ``bag`` (T,) with numbers 1..B in rising order, and ``y`` (B,) class indices. Bag b is
    the slide ``<dataset>_<b>`` with at least three digits: ``musk1_001``.

    Raises:
        DataError: the file is missing, is no ``.npz`` or disagrees with the card or the label table.
    """
    source = dataset.card.source
    assert isinstance(source, FeaturesSource)
    path = dataset.folder / source.file
    features, bag, labels = _arrays(path)
    if features.ndim != 2 or features.shape[1] != source.dim:
        _refuse(path, f"X has shape {features.shape}, the card says {source.dim} columns")
    steps = np.diff(bag.astype(np.int64, copy=False)) if bag.ndim == 1 else bag
    if bag.shape != features.shape[:1] or not len(bag) or bag[0] != 1 or not np.isin(steps, (0, 1)).all():
        _refuse(path, "bag does not number the rows of X from 1 in rising order without gaps")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(bag)[1:])]).astype(np.int64)
    slides = tuple(f"{dataset.name}_{number:03d}" for number in range(1, len(offsets)))
    if (bad := np.flatnonzero(~np.isfinite(features).all(axis=1))).size:
        _refuse(path, f"X holds values that are not finite, in {len(bad)} rows, first in {slides[bag[bad[0]] - 1]}")
    if set(slides) != set(dataset.slides):
        _refuse(path, f"it holds {len(slides)} bags, {slides[0]} to {slides[-1]}; the label table lists others")
    if labels.shape != (len(slides),):
        _refuse(path, f"y has shape {labels.shape} for {len(slides)} bags")
    wrong = [slide for slide, y in zip(slides, labels, strict=True) if dataset.by_slide[slide].label != int(y)]
    if wrong:
        _refuse(path, f"the label of {wrong[0]} (and of {len(wrong) - 1} others) differs from the label table")
    return NpzBags(slides, features.astype(np.float32), offsets)


def _arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    try:
        content = read_npz(path, ("X", "bag", "y"))
    except FileNotFoundError as reason:
        raise DataError("the features are missing", place=str(path), fix="reinstall the package") from reason
    except KeyError as reason:
        raise DataError(
            "the file lacks one of the arrays X, bag and y", place=str(path), fix="see harness/datasets/npz_bags.py"
        ) from reason
    except (OSError, ValueError) as reason:
        problem = getattr(reason, "strerror", None) or reason
        raise DataError(
            f"the features cannot be read: {problem}", place=str(path), fix="get the file again"
        ) from reason
    wrong = [
        name for name, kinds in (("X", "fiub"), ("bag", "iu"), ("y", "iub")) if content[name].dtype.kind not in kinds
    ]
    if wrong:
        _refuse(path, f"{wrong[0]} holds values of type {content[wrong[0]].dtype}")
    return content["X"], content["bag"], content["y"]


def _refuse(path: Path, problem: str) -> NoReturn:
    raise DataError(problem, place=str(path), fix="get the file again, or correct card and label table")
