"""Features that another tool has written: a folder, with one file per slide or one for the cohort."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.datasets.feature_set_card import Microns, Pixels
from harness.datasets.match_ids import Rule
from harness.datasets.source import Source

if TYPE_CHECKING:
    from harness.datasets.card import DatasetCard
    from harness.datasets.dataset import Dataset
    from harness.protocols.verify import Compare, Finding, Opener
    from harness.sources.inputs import Inputs
    from harness.sources.opening import Opening

UNKNOWN = "unknown"


class FeatureFolder(Source):
    """A folder of features. It is packed once into the cache; no slides are needed.

    Attributes:
        folder: where the features are when no data root is given: absolute, or relative to the card.
        format: the format that they are in, as ``bench datasets new`` found it; another one is an error.
        dim: feature width.
        encoder: what made them, with what pins pooling and weights (``virchow2@cls+mean``); ``unknown`` where nobody
            says.
        tile_px: side of a tile in pixels; None where unknown.
        mpp: microns per pixel of these pixels; None where unknown.
        magnification: nominal objective power; no statement about microns.
        match: what is ignored when ids of the label table are compared with the names of files.
        dtype: number type of the packed features.
        in_place: read the files where they lie instead of packing them.
        pickled_arrays: read ``.pt`` files that hold pickled NumPy arrays.
    """

    takes_data_root: ClassVar[bool] = True
    comes_as: ClassVar[str] = "features that another tool has made"
    kind: Literal["feature_folder"] = "feature_folder"
    folder: str
    format: str
    dim: int = Field(strict=True, ge=1, le=2**20)
    encoder: str = UNKNOWN
    tile_px: Pixels | None = None
    mpp: Microns | None = None
    magnification: float | None = Field(default=None, gt=0, le=400, allow_inf_nan=False)
    match: tuple[Rule, ...] = ()
    dtype: Literal["float16", "float32"] = "float16"
    in_place: bool = False
    pickled_arrays: bool = False

    def root(self, dataset: Dataset, data_root: Path | None) -> Path:
        """The folder with the features."""
        from harness.core.folders import expanded

        return data_root or dataset.folder / expanded(self.folder)

    @property
    def label(self) -> str:
        """Short readable name of the set, for folders: ``trident-uni_v1-float16``."""
        parts = (self.format, self.encoder, "in-place" if self.in_place else self.dtype)
        return re.sub(r"[^A-Za-z0-9._+-]", "-", "-".join(parts))

    def open(self, dataset: Dataset, opening: Opening) -> Inputs:
        """Features of the slides, packed into the cache on first use."""
        from harness.sources.open_feature_folder import open_feature_folder

        return open_feature_folder(dataset, self, opening)

    def verify(
        self,
        dataset: Dataset,
        data_root: Path | None,
        checked: list[str],
        *,
        opener: Opener | None = None,
        compare: Compare | None = None,
    ) -> Iterator[Finding]:
        """Every slide has one file; with ``opener``, its features can be read and are what the card says."""
        from harness.sources.open_feature_folder import verify_feature_folder

        return verify_feature_folder(dataset, self, data_root, checked, reading=opener is not None)

    def openers(self, dataset: Dataset) -> tuple[Opener | None, Compare | None]:
        """Files are read by their format; what is given here only says that they shall be."""
        return (lambda path: None), None

    def data_places(
        self, dataset: Dataset, data_root: Path | None
    ) -> tuple[Mapping[str, Path], Mapping[Path, Sequence[Path]]]:
        """The file of each slide by the slide's id; a file of several slides by its path in the folder."""
        from harness.sources.open_feature_folder import files_of

        found, files = files_of(dataset, self, data_root)
        base = found.root if found.root.is_dir() else found.root.parent
        places = {}
        for slide, file in files.items():
            if file.path.is_file():
                below = file.path.relative_to(base) if file.path.is_relative_to(base) else file.path
                places[str(below) if file.member else slide] = file.path
        return places, {}

    def readiness(self, dataset: Dataset, data_root: Path | None) -> str:
        """Whether the folder is there."""
        return "ready" if self.root(dataset, data_root).exists() else "missing"

    def files_text(self) -> list[str]:
        """Where the features are, and what is known of them."""
        tiles = f"{self.tile_px} px" if self.tile_px else f"{UNKNOWN} size"
        mpp = f"{self.mpp:g} microns per pixel" if self.mpp else f"resolution {UNKNOWN}"
        power = f" ({self.magnification:g}x)" if self.magnification else ""
        return [
            f"{self.folder} ({self.format})",
            f"encoder {self.encoder}, width {self.dim}; tiles of {tiles}, {mpp}{power}",
        ]

    def identity(self, card: DatasetCard) -> Mapping[str, Any]:
        """The encoder, which the content alone does not tell."""
        return {} if self.encoder == UNKNOWN else {"source": {"encoder": self.encoder}}

    @property
    def fixed(self) -> Mapping[str, Any]:
        """What the features are, whatever a method would ask for."""
        return {
            "encoder": self.encoder,
            "mpp": (self.mpp,) if self.mpp else (),
            "tile_px": self.tile_px or 0,
        }
