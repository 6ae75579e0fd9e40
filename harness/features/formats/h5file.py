"""HDF5 files that somebody else wrote: opened without following links to other files, rows read in large pieces."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import DataError
from harness.core.reading import check_expansion, open_regular
from harness.features.formats.base import damaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURE_KEYS = ("features", "feats", "feat", "patch_embeddings", "embeddings")
"""Names of the data set of features, the most common first."""
COORD_KEYS = ("coords", "coordinates")
_MAGIC = b"\x89HDF\r\n\x1a\n"
_LFS = b"version https://git-lfs"
_PIECES = 64
"""A data set in more chunks than this is read by the places of its chunks where that is possible."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file, open for reading; its errors become ours.

    Raises:
        DataError: it is no HDF5 file, or cut short.
    """
    import h5py

    check_magic(path, _MAGIC, "HDF5")
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except DataError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as reason:
        raise damaged(path, reason) from reason


def check_magic(path: Path, magic: bytes, kind: str) -> None:
    """Refuse an empty file, a pointer of Git LFS, and what does not begin as files of its kind do."""
    try:
        with open_regular(path) as file:
            head = file.read(len(_LFS))
    except OSError as reason:
        raise damaged(path, reason.strerror or reason) from reason
    if not head:
        raise damaged(path, "it is empty (0 bytes)")
    if head == _LFS:
        raise damaged(path, "it is a pointer of Git LFS, and the content was not fetched")
    if not head.startswith(magic):
        raise damaged(path, f"it is no {kind} file")


def child(group: Any, name: str) -> Any:
    """A member of a group, None where there is none.

    Raises:
        DataError: it is a link to another file.
    """
    import h5py

    link = group.get(name, getlink=True)
    if link is None:
        return None
    if isinstance(link, h5py.ExternalLink):
        raise _elsewhere(group)
    found = group.get(name)
    if isinstance(found, h5py.Dataset) and (found.is_virtual or found.external):
        raise _elsewhere(group)
    return found


def _elsewhere(group: Any) -> DataError:
    return damaged(group.file.filename, "it refers to data in other files, which is not followed")


def feature_key(group: Any) -> str | None:
    """The name under which a group holds features, if it does."""
    return next((key for key in FEATURE_KEYS if key in group), None)


def coords_of(group: Any) -> tuple[NDArray[Any] | None, dict[str, Any]]:
    """Coordinates and their attributes, where there are any."""
    import h5py

    for key in COORD_KEYS:
        found = child(group, key)
        if isinstance(found, h5py.Dataset):
            return read_all(found), attributes(found)
    return None, {}


def attributes(item: Any) -> dict[str, Any]:
    """Attributes as plain Python values; what is written as ``None`` is left out."""
    found: dict[str, Any] = {}
    for name in item.attrs:
        try:
            value = item.attrs[name]
        except (OSError, TypeError):  # a type that NumPy lacks: no fact of ours
            continue
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.reshape(()).item()
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, str | int | float) and str(value) not in {"None", "nan", ""}:
            found[name] = value
    return found


def read_all(dataset: Any) -> NDArray[Any]:
    """All values of a data set.

    Raises:
        DataError: it claims far more than the file can hold.
    """
    path = Path(dataset.file.filename)
    try:
        check_expansion(int(dataset.size) * dataset.dtype.itemsize, path.stat().st_size)
    except OSError as reason:
        raise damaged(path, reason.strerror or reason) from reason
    if dataset.dtype.kind not in "fiub":
        raise damaged(path, f"{dataset.name} holds values of type {dataset.dtype}")
    raw = _contiguous(dataset, path) if dataset.chunks is None else _by_chunks(dataset, path)
    return np.asarray(dataset[()]) if raw is None else raw


def _contiguous(dataset: Any, path: Path) -> NDArray[Any] | None:
    """Values that lie in one piece, read by their place: other threads need not wait for the library meanwhile."""
    offset = dataset.id.get_offset()
    if offset is None or dataset.file.userblock_size or not dataset.size:
        return None
    values = np.empty(dataset.shape, dataset.dtype)
    with path.open("rb", buffering=0) as file:
        if _read_into(file.fileno(), memoryview(values.reshape(-1).view(np.uint8).data), offset) != values.nbytes:
            raise damaged(path, "it is cut short")
    return values


def _by_chunks(dataset: Any, path: Path) -> NDArray[Any] | None:
    """Values of a data set in many small uncompressed chunks of whole rows, read by their places in the file.

    Chunks of one row (TRIDENT) cost a call of the library each; in the file they lie one behind the other.
    """
    chunks = dataset.chunks
    if chunks is None or chunks[1:] != dataset.shape[1:] or dataset.shape[0] < _PIECES * chunks[0]:
        return None
    if dataset.file.userblock_size or not dataset.dtype.isnative:
        return None
    plist = dataset.id.get_create_plist()
    if plist.get_nfilters() or not hasattr(dataset.id, "chunk_iter"):
        return None
    places: list[tuple[int, int]] = []
    dataset.id.chunk_iter(lambda info: places.append((info.chunk_offset[0], info.byte_offset)))
    step, row_bytes = chunks[0], int(np.prod(chunks[1:])) * dataset.dtype.itemsize
    if len(places) != -(-dataset.shape[0] // step):
        return None
    places.sort()
    values = np.empty((len(places) * step, *dataset.shape[1:]), dataset.dtype)
    target = memoryview(values.reshape(-1).view(np.uint8).data)
    with path.open("rb", buffering=0) as file:
        for start, stop in _runs([place for _, place in places], step * row_bytes):
            size = (stop - start) * step * row_bytes
            into = target[start * step * row_bytes :][:size]
            if _read_into(file.fileno(), into, places[start][1]) != size:
                raise damaged(path, "it is cut short")
    return values[: dataset.shape[0]]


def _runs(offsets: list[int], size: int) -> Iterator[tuple[int, int]]:
    """(first, last + 1) of the pieces that lie one behind the other."""
    breaks = np.flatnonzero(np.diff(np.asarray(offsets, np.int64)) != size) + 1
    edges = [0, *breaks.tolist(), len(offsets)]
    yield from ((start, stop) for start, stop in itertools.pairwise(edges) if stop > start)


def _read_into(descriptor: int, target: memoryview, offset: int) -> int:
    """Fill ``target`` with what stands at ``offset``; how many bytes there were."""
    done = 0
    while done < len(target):
        count = os.preadv(descriptor, [target[done:]], offset + done)
        if not count:
            break
        done += count
    return done
