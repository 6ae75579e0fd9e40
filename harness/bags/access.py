"""Access to the bags of a dataset without any label: what the process that trains is given to read them with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.bags.feature_source import FeatureBags, Normaliser
from harness.bags.mapped import MappedArray
from harness.bags.tile_source import MaskOf, TileBags, TileReader
from harness.core.arrays import all_finite
from harness.core.errors import DataError
from harness.features.in_place import PlacedRows, PlacedStore
from harness.features.store import COORD_DTYPE, COORDS, DTYPES, FEATURES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.bags.source import BagSource
    from harness.features.store import FeatureStore

Rows = Mapping[str, tuple[int, int]]
"""Slide id → its first row in a packed array, and the row after the last."""


class BagAccess(ABC):
    """Reads any bag of a dataset. It holds no label, and can be pickled."""

    @abstractmethod
    def bags(
        self,
        ids: Sequence[str],
        labels: NDArray[np.int64] | None = None,
        *,
        normaliser: Normaliser | None = None,
        mask_of: MaskOf | None = None,
    ) -> BagSource:
        """Bags of ``ids``, in this order; ``labels`` None seals them, ``mask_of`` shows lesions (slides only)."""

    @abstractmethod
    def renamed(self, names: Mapping[str, str]) -> BagAccess:
        """Access to the slides in ``names`` (id → new id) and to no others, under their new ids."""

    @property
    @abstractmethod
    def files(self) -> tuple[Path, ...]:
        """The files and folders that bags are read from."""

    def normaliser(self, ids: Sequence[str]) -> Normaliser | None:
        """Standardisation fitted on the features of ``ids``; None for tiles."""
        return None

    def without_coords(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Which of ``ids`` have tiles whose positions nobody knows."""
        return ()


class FeatureAccess(BagAccess):
    """Feature vectors of all slides, packed in one array.

    Args:
        values: (T, D), in memory or on disk.
        rows: where each slide's are.
        coords: (T, 2) top-left corners in level-0 pixels; None where unknown.
        located: slides whose corners are known.
    """

    def __init__(
        self,
        values: NDArray[Any] | MappedArray | PlacedRows,
        rows: Rows,
        *,
        coords: MappedArray | None = None,
        located: Collection[str] = (),
    ) -> None:
        self._values = values
        self._rows = dict(rows)
        self._coords = coords
        self._located = frozenset(located)
        self._seen: set[str] = set()

    @classmethod
    def of_store(cls, store: FeatureStore | PlacedStore) -> FeatureAccess:
        """Access to a finished feature store, or to features that are read where they lie."""
        entries = store.manifest.slides
        total = max((entry.stop for entry in entries.values()), default=0)
        dtype = DTYPES[store.manifest.header.dtype].str
        packed = MappedArray(store.folder / FEATURES, dtype, (total, store.dim))
        return cls(
            store.values if isinstance(store, PlacedStore) else packed,
            {slide: (entry.start, entry.stop) for slide, entry in entries.items()},
            coords=MappedArray(store.folder / COORDS, COORD_DTYPE.str, (total, 2)),
            located=[slide for slide, entry in entries.items() if entry.has_coords],
        )

    @property
    def dim(self) -> int:
        """Feature width D."""
        return int(self._values.shape[1])

    def bag(self, slide: str) -> NDArray[Any]:
        """Features of one slide, (n, D): read from the file, or a view of what is in memory.

        Raises:
            DataError: some of them are not finite: the file has changed since it was written.
        """
        start, stop = self._rows[slide]
        values = self._values
        bag = values[start:stop] if isinstance(values, np.ndarray) else values.rows(start, stop)
        if slide not in self._seen:
            if not all_finite(bag):
                raise self._not_finite(slide, bag)
            self._seen.add(slide)
        return bag

    def count(self, slide: str) -> int:
        """Number of rows of one slide; nothing is read."""
        start, stop = self._rows[slide]
        return stop - start

    def _not_finite(self, slide: str, bag: NDArray[Any]) -> DataError:
        bad = int((~np.isfinite(bag).all(axis=1)).sum())
        place, fix = f"slide {slide}", "mend the features"
        if isinstance(self._values, PlacedRows):  # a file of the user's, which no command of ours makes again
            place, fix = self._values.blocks[self._rows[slide][0]].path, "get or make the file again"
        elif isinstance(self._values, MappedArray):
            packed = self._values.path
            place, fix = str(packed), f"delete {packed.parent}; the same command makes it again"
        return DataError(
            f"slide {slide}: {bad} of {len(bag)} tiles have features that are not finite (NaN or infinite)",
            place=place,
            fix=fix,
        )

    def coords(self, slide: str) -> NDArray[np.int64] | None:
        """Top-left corners of a slide's tiles, (n, 2); None where unknown."""
        if self._coords is None or slide not in self._located:
            return None
        start, stop = self._rows[slide]
        return self._coords.rows(start, stop)

    def without_coords(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Those whose features came without positions."""
        return tuple(slide for slide in ids if self._coords is None or slide not in self._located)

    def bags(
        self,
        ids: Sequence[str],
        labels: NDArray[np.int64] | None = None,
        *,
        normaliser: Normaliser | None = None,
        mask_of: MaskOf | None = None,
    ) -> FeatureBags:
        """Feature bags."""
        return FeatureBags(
            ids, labels, self.bag, self.dim, count_of=self.count, coords_of=self.coords, normaliser=normaliser
        )

    def renamed(self, names: Mapping[str, str]) -> FeatureAccess:
        """The same features under other ids."""
        rows = {new: self._rows[old] for old, new in names.items()}
        located = {new for old, new in names.items() if old in self._located}
        return FeatureAccess(self._values, rows, coords=self._coords, located=located)

    @property
    def files(self) -> tuple[Path, ...]:
        """The packed features, or the files of the slides that are read in place; then that of the coordinates."""
        values, coords = self._values, self._coords
        placed = values.paths if isinstance(values, PlacedRows) else ()
        return (*placed, *(array.path for array in (values, coords) if isinstance(array, MappedArray)))

    def normaliser(self, ids: Sequence[str]) -> Normaliser:
        """Standardisation fitted on ``ids``."""
        return Normaliser.fit([partial(self.bag, slide) for slide in ids])


class TileAccess(BagAccess):
    """Image tiles, read as they are drawn.

    Args:
        reader: reads the tiles of any slide.
    """

    def __init__(self, reader: TileReader) -> None:
        self.reader = reader

    def bags(
        self,
        ids: Sequence[str],
        labels: NDArray[np.int64] | None = None,
        *,
        normaliser: Normaliser | None = None,
        mask_of: MaskOf | None = None,
    ) -> TileBags:
        """Tile bags."""
        return TileBags(ids, labels, self.reader, mask_of=mask_of)

    def renamed(self, names: Mapping[str, str]) -> TileAccess:
        """The same tiles under other ids."""
        return TileAccess(self.reader.renamed(names))

    @property
    def files(self) -> tuple[Path, ...]:
        """The slides, or the packed patches."""
        return self.reader.files
