"""One parquet file (or shards) with a row per slide: owkin/camelyon16-features and the like.

Columns: features (a list of lists) and, where there are any, a slide id and a label. Without a column of ids the slides
are numbered in the order of the file, as ``<file>_<row>``; three leading columns of tile addresses are cut off.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.features.formats.base import FeatureFile, FeatureFormat, Options, SlideFeatures, damaged
from harness.features.formats.h5file import FEATURE_KEYS, check_magic
from harness.features.formats.ids import slide_of
from harness.features.formats.listing import Listing
from harness.features.formats.owkin import without_addresses
from harness.features.formats.shapes import feature_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

ID_COLUMNS = ("slide_id", "slide", "slide_name", "wsi_id", "image_id", "id")
_READING = threading.Lock()
"""Threads that read slides of one row group wait for the first of them, instead of each reading all of it."""


@dataclass(frozen=True)
class ParquetRows(FeatureFormat):
    """A parquet file with a row per slide."""

    name: ClassVar[str] = "parquet"
    title: ClassVar[str] = "parquet (a row per slide)"

    def read(self, file: FeatureFile) -> SlideFeatures:
        """Features of one row."""
        group, row = _row_of(file)
        changed = _changed(file.path)
        with _READING:
            column = _features(file.path, group, changed)
        found = feature_rows(_matrix(column.slice(row, 1), file), file.place)
        rows, notes = without_addresses(found)
        return SlideFeatures(rows, notes=notes)

    def label(self, file: FeatureFile) -> str | None:
        """The cell of column ``label``."""
        group, row = _row_of(file)
        value = _labels(file.path, group, _changed(file.path))[row]
        return None if value is None else str(value)


def _row_of(file: FeatureFile) -> tuple[int, int]:
    """Row group, and row in it, of a slide."""
    group, row = map(int, file.member.removeprefix("row group ").split(" row "))
    return group, row


def _changed(path: Path) -> int:
    """When the file was changed (ns)."""
    try:
        return path.stat().st_mtime_ns
    except OSError as reason:
        raise damaged(path, reason.strerror or reason) from reason


@functools.lru_cache(maxsize=2)
def _features(path: Path, group: int, changed: int) -> Any:
    """The column of features of a row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            key = next((name for name in FEATURE_KEYS if name in file.schema_arrow.names), None)
            if key is None:
                raise damaged(path, f"it has no column {', '.join(FEATURE_KEYS[:3])} ...")
            return file.read_row_group(group, columns=[key]).column(key)
    except (pa.ArrowException, OSError, MemoryError) as reason:
        raise damaged(path, reason) from reason


@functools.lru_cache(maxsize=64)
def _labels(path: Path, group: int, changed: int) -> list[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        if "label" not in file.schema_arrow.names:
            return [None] * file.metadata.row_group(group).num_rows
        labels: list[Any] = file.read_row_group(group, columns=["label"]).column("label").to_pylist()
        return labels


def _matrix(column: Any, file: FeatureFile) -> NDArray[Any]:
    """(n, D) of one cell that is a list of lists of numbers."""
    import pyarrow as pa

    cell = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if cell.null_count:
        raise damaged(file.place, "the cell of features is empty")
    tiles = cell.flatten()
    if not pa.types.is_list(tiles.type) and not pa.types.is_fixed_size_list(tiles.type):
        return np.asarray(tiles.to_numpy(zero_copy_only=False))
    values = tiles.flatten().to_numpy(zero_copy_only=False)
    if not len(tiles):
        return np.empty((0,), np.float32)
    if tiles.null_count or len(values) % len(tiles) or len(set(_widths(tiles))) > 1:
        raise damaged(file.place, "its tiles have features of different widths")
    return np.asarray(values).reshape(len(tiles), -1)


def _widths(tiles: Any) -> list[int]:
    import pyarrow.compute as pc

    return [int(width) for width in pc.unique(pc.list_value_length(tiles)).to_pylist()]


def find(listing: Listing, options: Options) -> list[FeatureFormat]:
    """The parquet files with a column of features, in one set per folder."""
    sets: dict[Path, list[FeatureFile]] = {}
    for path in listing.files(".parquet"):
        if files := _rows(path):
            sets.setdefault(path.parent, []).extend(files)
    return [
        ParquetRows(root, files, options=options, label_files=tuple({file.path for file in files}))
        for root, files in sets.items()
    ]


def _rows(path: Path) -> list[FeatureFile]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_magic(path, b"PAR1", "parquet")
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            key = next((name for name in FEATURE_KEYS if name in names), None)
            if key is None or not pa.types.is_list(file.schema_arrow.field(key).type):
                return []
            column = next((name for name in ID_COLUMNS if name in names), None)
            ids = file.read(columns=[column]).column(column).to_pylist() if column else None
            found, number = [], 0
            for group in range(file.num_row_groups):
                for row in range(file.metadata.row_group(group).num_rows):
                    slide = f"{slide_of(path.name)}_{number:04d}" if ids is None else slide_of(str(ids[number]))
                    found.append(FeatureFile(slide, path, f"row group {group} row {row}"))
                    number += 1
            return found
    except (pa.ArrowException, OSError) as reason:
        raise damaged(path, reason) from reason
