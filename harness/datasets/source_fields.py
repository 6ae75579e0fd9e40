"""The built-in sources' parts of a dataset card: the fields that say where slides, patches or a table of bags are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from harness.core.folders import expanded
from harness.datasets.feature_set_card import Microns, Pixels
from harness.datasets.source import Source

InputKind = Literal["features", "tiles"]
DamagedTiles = Literal["refuse", "leave_out"]


class SlidesSource(Source):
    """Slides that OpenSlide (or the plain-image reader) opens.

    Attributes:
        layouts: folder layouts of the public releases; each maps a name to path patterns relative to the data root,
            with ``{slide}`` for the slide id, ``{uuid}`` for a UUID (TCGA's files have one behind the id), ``*`` within
            a name and ``**/`` for any folders. Letter case and the Unicode form of accents do not count; all else does.
            A file is of one slide: of the known ids that can be read from its name, the longest. A pattern that ends in
            ``/*.dcm`` finds the folder.
        annotations: patterns of lesion annotation files (ASAP XML), with ``{slide}``.
        root: where the slides are when no data root is given: absolute, or relative to the card.
        mpp: resolution of level 0 in microns per pixel, for files that do not say (flat images); None reads the file.
        damaged_tiles: what becomes of a slide with tiles that cannot be decoded: ``refuse`` it by name, or
            ``leave_out`` the tiles of the grid that lie on them.
        finest_mpp: resolution of level 0 of the coarsest slide, the finest that all slides have; None: not stated.
        draw: name of the drawing that the harness can make itself when the slides are absent, with its settings.
    """

    offers: ClassVar[frozenset[InputKind]] = frozenset({"features", "tiles"})
    reads: ClassVar[frozenset[str]] = frozenset({"encoder", "mpp", "tile_px", "align", "resampler"})
    takes_data_root: ClassVar[bool] = True
    comes_as: ClassVar[str] = "slides"
    kind: Literal["slides"] = "slides"
    layouts: dict[str, tuple[str, ...]]
    annotations: tuple[str, ...] = ()
    root: str | None = None
    mpp: Microns | None = None
    damaged_tiles: DamagedTiles = "refuse"
    finest_mpp: Microns | None = None
    draw: dict[str, Any] | None = None

    def drawing(self) -> Mapping[str, Any] | None:
        """What ``draw`` says."""
        return self.draw

    def slide_patterns(self) -> Mapping[str, Sequence[str]]:
        """The layouts."""
        return self.layouts

    def annotation_patterns(self) -> Sequence[str]:
        """Of the annotations."""
        return self.annotations

    def own_root(self, folder: Path) -> Path | None:
        """The root that the card names."""
        return None if self.root is None else folder / expanded(self.root)

    @property
    def offers_mpp(self) -> float | None:
        """The finest resolution that all slides have, as far as the card tells."""
        return self.finest_mpp or self.mpp or (self.draw or {}).get("mpp")


class PatchesSource(Source):
    """Image patches that come cut out, grouped into bags by a table.

    Attributes:
        tables: CSV files relative to the data root, read one behind the other.
        images: where the patches are: patterns with ``{image}`` relative to the data root, or an archive.
        archive: a tar file that holds the images, used when no pattern matches; optional.
        columns: which column holds ``image``, ``slide`` (the bag), ``patient`` and ``instance_label``.
        slide_id: how the text in column ``slide`` becomes a slide id, as a format: ``patient_{slide:0>3}``.
        tile_px: side of a patch in pixels.
    """

    offers: ClassVar[frozenset[InputKind]] = frozenset({"features", "tiles"})
    reads: ClassVar[frozenset[str]] = frozenset({"encoder"})
    takes_data_root: ClassVar[bool] = True
    comes_as: ClassVar[str] = "patches that are cut out already"
    kind: Literal["patches"] = "patches"
    tables: tuple[str, ...]
    images: tuple[str, ...]
    archive: str | None = None
    columns: dict[str, str]
    slide_id: str = "{slide}"
    tile_px: Pixels


class FeaturesSource(Source):
    """Feature vectors that come with the dataset: an ``.npz`` beside the card with ``X``, ``bag`` (1..B), ``y``."""

    kind: Literal["features"] = "features"
    file: str
    dim: Annotated[int, Field(strict=True, ge=1, le=2**20)]
