"""What a reader of feature files gives for one slide, and the base class of the readers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CoordUnit = Literal["level0_px", "um"]


@dataclass(frozen=True)
class Facts:
    """How features were made, as far as the files say. None where they do not.

    Attributes:
        encoder: name of the encoder, in the spelling of the file.
        tile_px: side of a tile in pixels, as the encoder's pipeline read it.
        mpp: microns per pixel of these pixels.
        magnification: nominal objective power of these pixels; says nothing exact about microns.
    """

    encoder: str | None = None
    tile_px: int | None = None
    mpp: float | None = None
    magnification: float | None = None

    def stated(self) -> dict[str, str | int | float]:
        """Name → value of what is stated."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class FeatureFile:
    """Where the features of one slide are.

    Attributes:
        slide: slide id as the file or group is named, without the suffix of the feature file.
        path: the file (or the folder of a zarr store).
        member: group or row inside a file that holds several slides; empty otherwise.
        beside: further files that are read for this slide: coordinates, metadata.
    """

    slide: str
    path: Path
    member: str = ""
    beside: tuple[Path, ...] = ()

    @property
    def place(self) -> str:
        """The file and what is meant in it, for errors."""
        return f"{self.path}, {self.member}" if self.member else str(self.path)


@dataclass(frozen=True)
class SlideFeatures:
    """The features of one slide.

    Attributes:
        features: (n, D) float16 or float32; n may be 0.
        coords: (n, 2) top-left corners (x, y) in ``unit``; None where unknown or unusable.
        unit: ``level0_px``, or ``um`` where the file gives microns.
        side: side of a tile in ``unit``; None where unknown.
        facts: how the features were made.
        notes: what was left out or changed on reading, one sentence each, without the slide's name.
    """

    features: NDArray[np.floating[Any]]
    coords: NDArray[np.int64] | None = None
    unit: CoordUnit = "level0_px"
    side: float | None = None
    facts: Facts = Facts()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """What a user may say about how to read.

    Attributes:
        encoder: which encoder's features are meant, where a file or folder holds several.
        pickled_arrays: read ``.pt`` files that hold pickled NumPy arrays.
    """

    encoder: str | None = None
    pickled_arrays: bool = False


@dataclass(frozen=True)
class FeatureFormat(ABC):
    """One format: the files of a folder that are in it, and how one of them is read. Instances can be pickled.

    Attributes:
        name: short name, as in dataset cards.
        title: what it is, in words.
        root: folder (or file) of the set.
        files: one per slide.
        hints: facts that names of folders suggest; what the files state outranks them.
        options: what the user said.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    root: Path
    files: Sequence[FeatureFile]
    hints: Facts = Facts()
    options: Options = Options()
    label_files: tuple[Path, ...] = field(default=(), kw_only=True)
    """Files of the folder that hold labels or splits."""

    @abstractmethod
    def read(self, file: FeatureFile) -> SlideFeatures:
        """Read the features of one slide.

        Raises:
            DataError: the file is damaged, unsafe, or not what it seemed; it is named.
        """

    def label(self, file: FeatureFile) -> str | None:
        """The label of the slide inside the files of features, where the format has one."""
        return None


def damaged(path: Path | str, reason: object) -> DataError:
    """The error for a file that cannot be read."""
    text = " ".join(str(reason).split()) or type(reason).__name__
    return DataError(
        f"the feature file cannot be read: {text[:300]}",
        place=str(path),
        fix="get or make the file again, or leave the slide out with --partial",
    )
