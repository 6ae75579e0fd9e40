"""Features of many slides in one packed, memory-mapped file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from harness.core.checksum import crc32
from harness.core.errors import DataError, LeakError
from harness.features.manifest import FeatureKey, Manifest, SlideEntry
from harness.features.some_rows import read_some

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.datasets.splits import Fold

FEATURES = "features.bin"
COORDS = "coords.bin"

DTYPES: dict[str, np.dtype[Any]] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}
COORD_DTYPE = np.dtype("<i8")

_AGAIN = "extract the features again (what is complete is kept)"


class FeatureStore:
    """A finished store, read-only. Open one with :meth:`open`.

    A folder holds ``features.bin`` (rows of all slides one behind the other), ``coords.bin`` (the positions of the
    same rows) and ``manifest.json``. Nothing is read before it is asked for.

    Attributes:
        folder: where it is.
        manifest: what it says about itself.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        rows = max((entry.stop for entry in manifest.slides.values()), default=0)
        self._features = self._map(FEATURES, DTYPES[manifest.header.dtype], rows, self.dim)
        self._coords = self._map(COORDS, COORD_DTYPE, rows, 2)

    @classmethod
    def open(cls, folder: Path, expect: FeatureKey | None = None, *, fold: Fold | None = None) -> Self:
        """Open a store.

        Args:
            folder: where it is.
            expect: what the features have to be; None takes any.
            fold: the fold that the features are to be used in. Features by an encoder that learnt from training
                slides are opened for a fold only.

        Raises:
            DataError: no finished store, features of another encoder or resolution, or a file that is cut short.
            LeakError: the encoder learnt from slides that ``fold`` does not train on, or ``fold`` is not said.
        """
        manifest = Manifest.read(folder)
        if expect is not None:
            expect.check(manifest.header.key, folder)
        if (seen := manifest.header.encoder_trained_on) is not None:
            if fold is None:
                raise LeakError(
                    f"training slides of {seen.fold or 'a fold'} shaped these features, so they serve that fold only",
                    place=str(folder),
                    fix="say for which fold they are opened: FeatureStore.open(folder, fold=...)",
                )
            seen.audit(fold, stage=f"the embedder of {folder.name}")
        return cls(folder, manifest)

    @classmethod
    def _again(cls, folder: Path) -> Self:
        return cls(folder, Manifest.read(folder))

    def __reduce__(self) -> tuple[Any, ...]:
        # The mapping is made again in the other process, instead of sending what it shows.
        return type(self)._again, (self.folder,)

    @property
    def key(self) -> FeatureKey:
        """What the features depend on."""
        return self.manifest.header.key

    @property
    def dim(self) -> int:
        """Feature width D."""
        return self.manifest.header.dim

    @property
    def slides(self) -> tuple[str, ...]:
        """Slide ids, in the order of their rows."""
        return tuple(self.manifest.slides)

    @property
    def seconds(self) -> dict[str, float]:
        """What making the store took by part, summed over slides and over interrupted extractions."""
        total: dict[str, float] = {}
        for entry in self.manifest.slides.values():
            for part, seconds in entry.seconds.items():
                total[part] = total.get(part, 0.0) + seconds
        return total

    def __contains__(self, slide: object) -> bool:
        return slide in self.manifest.slides

    def count(self, slide: str) -> int:
        """Number of tiles of a slide."""
        return self._entry(slide).tiles

    def bag(self, slide: str) -> NDArray[np.floating[Any]]:
        """Features of a slide: (n, D) in the number type on disk, a read-only view of the file.

        Raises:
            DataError: the store has no such slide.
        """
        entry = self._entry(slide)
        return self._features[entry.start : entry.stop]

    def some(self, slide: str, rows: Sequence[int]) -> NDArray[np.floating[Any]]:
        """A few rows of a slide, in memory of their own; the others are not read."""
        entry = self._entry(slide)
        path, dtype = self.folder / FEATURES, DTYPES[self.manifest.header.dtype]
        found = read_some(path, dtype, self.dim, [entry.start + row for row in rows])
        if found is None:
            raise DataError(f"the file was cut short: slide {slide}", place=str(path), fix=_AGAIN)
        return found

    def coords(self, slide: str) -> NDArray[np.int64] | None:
        """Top-left corners of a slide's tiles in level-0 pixels, (n, 2) as (x, y); None where unknown."""
        entry = self._entry(slide)
        return self._coords[entry.start : entry.stop] if entry.has_coords else None

    def content_sha256(self, slides: Iterable[str] | None = None) -> str:
        """Identity of the features of ``slides`` (None for all); see the manifest's.

        Raises:
            DataError: the store has no such slide.
        """
        wanted = self.slides if slides is None else tuple(slides)
        for slide in wanted:
            self._entry(slide)
        return self.manifest.content_sha256(wanted)

    @property
    def files(self) -> tuple[Path, Path]:
        """The files that hold features and positions."""
        return self.folder / FEATURES, self.folder / COORDS

    def verify(self, slides: Iterable[str] | None = None) -> None:
        """Read all features and compare them with their checksums.

        Raises:
            DataError: slides whose bytes have changed, by name.
        """
        wanted = self.slides if slides is None else tuple(slides)
        broken = [slide for slide in wanted if crc32(self.bag(slide).data) != self._entry(slide).crc32]
        if broken:
            raise DataError(
                f"features have changed on disk since they were made: {', '.join(broken)}",
                place=str(self.folder / FEATURES),
                fix="delete the folder and extract the features again",
            )

    def _entry(self, slide: str) -> SlideEntry:
        if slide not in self.manifest.slides:
            raise DataError(f"slide {slide} has no features", place=str(self.folder), fix=_AGAIN)
        return self.manifest.slides[slide]

    def _map(self, name: str, dtype: np.dtype[Any], rows: int, width: int) -> NDArray[Any]:
        path = self.folder / name
        have, want = path.stat().st_size if path.is_file() else 0, rows * width * dtype.itemsize
        if have < want:
            row_bytes = width * dtype.itemsize
            cut = [slide for slide, entry in self.manifest.slides.items() if entry.stop * row_bytes > have]
            more = f" and {len(cut) - 3} more" if len(cut) > 3 else ""
            raise DataError(
                f"the file is cut short ({have:,} of {want:,} bytes): slides {', '.join(cut[:3])}{more}",
                place=str(path),
                fix=_AGAIN,
            )
        if rows == 0:
            return np.empty((0, width), dtype)
        return np.asarray(np.memmap(path, dtype, "r", shape=(rows, width)))
