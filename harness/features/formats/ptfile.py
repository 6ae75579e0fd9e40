"""``.pt`` files that somebody else wrote, read without running anything that they hold.

PyTorch's weights-only mode builds tensors and plain containers alone. A pickled NumPy array (TRIDENT's ``.pt`` option)
is read only on request, and then by NumPy's own constructors and no others.
"""

from __future__ import annotations

import functools
import struct
import sys
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from harness.core.errors import DataError
from harness.core.reading import check_expansion, unpacked_size
from harness.features.formats.base import Options, damaged
from harness.features.formats.h5file import COORD_KEYS, FEATURE_KEYS, check_magic
from harness.features.formats.numbers import positive, text
from harness.features.formats.shapes import feature_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

PT = (".pt", ".pth")
Kind = Literal["tensor", "dict", "list", "array", "vector", "damaged"]
_PICKLED = "pickled NumPy array"
_LOCAL_HEADER = 30
"""Bytes of a member's header in a zip archive before its name (APPNOTE 4.3.7)."""
_SAFE_GLOBALS = threading.Lock()
"""PyTorch has one set of names that may be unpickled for the whole process, and files are read in several threads."""


@dataclass(frozen=True)
class PtSlide:
    """What stands in the file of one slide.

    Attributes:
        features: (n, D).
        coords: of a dictionary, as they stand there.
        about: plain values of a dictionary.
    """

    features: NDArray[np.floating[Any]]
    coords: NDArray[Any] | None
    about: Mapping[str, Any]


def read_pt(path: Path, options: Options) -> PtSlide:
    """Read the file of one slide.

    Raises:
        DataError: it is damaged, holds no features, or would have to be unpickled.
    """
    content, place = _load(path, pickled_arrays=options.pickled_arrays), str(path)
    if isinstance(content, np.ndarray):
        return PtSlide(feature_rows(_plain(content, path), place), None, {})
    if isinstance(content, Mapping):
        return _of_mapping(content, path)
    if isinstance(content, list | tuple) and all(hasattr(one, "dim") for one in content):
        return PtSlide(feature_rows(_stacked(content, path), place), None, {})
    if hasattr(content, "dim"):
        return PtSlide(feature_rows(_array(content, path), place), None, {})
    raise damaged(path, f"it holds a {type(content).__name__}, and no tensor of features")


def pt_kind(path: Path) -> Kind:
    """The layout of one file; ``vector`` for one that holds a vector for the whole slide."""
    try:
        return _pt_kind(path, path.stat().st_mtime_ns)
    except OSError:
        return "damaged"


@functools.lru_cache(maxsize=4096)
def _pt_kind(path: Path, changed: int) -> Kind:
    try:
        content = _load(path, pickled_arrays=False)
    except DataError as problem:
        return "array" if _PICKLED in problem.problem else "damaged"
    if isinstance(content, Mapping):
        return "dict"
    if isinstance(content, list | tuple):
        return "list"
    if hasattr(content, "dim"):
        return "vector" if content.dim() == 1 and content.numel() else "tensor"
    return "damaged"


def _of_mapping(content: Mapping[Any, Any], path: Path) -> PtSlide:
    key = next((one for one in FEATURE_KEYS if one in content), None)
    if key is None:
        holds = ", ".join(str(one)[:40] for one in list(content)[:5]) or "nothing"
        raise damaged(path, f"its dictionary has no {', '.join(FEATURE_KEYS[:3])} ...; it holds {holds}")
    coords = next((content[one] for one in COORD_KEYS if one in content), None)
    about = {str(name): value for name, value in content.items() if isinstance(value, str | int | float)}
    rows = feature_rows(_array(content[key], path), str(path))
    return PtSlide(rows, None if coords is None else _array(coords, path), about)


def encoder_of(about: Mapping[str, Any]) -> str | None:
    """The encoder that a dictionary names."""
    return next((name for key in ("encoder", "encoder_name", "model_name") if (name := text(about.get(key)))), None)


def side_of(about: Mapping[str, Any]) -> float | None:
    """The side of a tile at level 0 that a dictionary names."""
    return positive(about.get("patch_size_level0"))


def _array(value: Any, path: Path) -> NDArray[Any]:
    import torch

    if isinstance(value, np.ndarray):
        return _plain(value, path)
    if isinstance(value, list | tuple) and value and all(isinstance(one, torch.Tensor) for one in value):
        return _stacked(value, path)
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.is_quantized:
        raise damaged(path, f"it holds a {type(value).__name__} where features should be a dense tensor")
    _check_size(value.numel() * value.element_size(), path)
    value = value.detach()
    if value.dtype == torch.bfloat16:
        value = value.float()
    try:
        found: NDArray[Any] = value.numpy()
    except (TypeError, RuntimeError) as reason:
        raise damaged(path, reason) from reason
    return found


def _plain(value: NDArray[Any], path: Path) -> NDArray[Any]:
    if value.dtype.hasobject:
        raise damaged(path, "it holds an array of Python objects")
    _check_size(value.nbytes, path)
    return value


def _stacked(tensors: Any, path: Path) -> NDArray[Any]:
    if not tensors:
        return np.empty((0,), np.float32)
    shapes = {tuple(one.shape) for one in tensors}
    if len(shapes) > 1 or len(next(iter(shapes))) != 1:
        raise damaged(path, f"it is a list of tensors of shapes {sorted(shapes)[:3]}, wanted one vector per tile")
    import torch

    return _array(torch.stack(list(tensors)), path)


def only_record(path: Path) -> int | None:
    """Where the data of the only tensor begins in an archive.

    None where there are several, or where they are compressed or in the byte order of another machine.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            data = [one for one in members if "/data/" in one.filename]
            if len(data) != 1 or data[0].compress_type != zipfile.ZIP_STORED:
                return None
            order = next((one for one in members if one.filename.endswith("/byteorder")), None)
            if order is not None and archive.read(order).decode() != sys.byteorder:
                return None
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError):
        return None
    with path.open("rb") as file:
        file.seek(data[0].header_offset)
        header = file.read(_LOCAL_HEADER)
    if len(header) < _LOCAL_HEADER:
        return None
    name, extra = struct.unpack_from("<HH", header, _LOCAL_HEADER - 4)
    return data[0].header_offset + _LOCAL_HEADER + int(name) + int(extra)


def _check_size(size: int, path: Path) -> None:
    try:
        check_expansion(size, path.stat().st_size)
    except OSError as reason:
        raise damaged(path, reason.strerror or reason) from reason


def _check_archive(path: Path) -> None:
    """Refuse an archive that claims to unpack to far more than it is, before memory is taken for it."""
    try:
        unpacked = unpacked_size(path)
    except (OSError, zipfile.BadZipFile) as reason:
        raise damaged(path, reason) from reason
    if unpacked is not None:
        _check_size(unpacked, path)


def _load(path: Path, *, pickled_arrays: bool) -> Any:
    import torch

    check_magic(path, b"", "PyTorch")
    _check_archive(path)
    try:
        if not pickled_arrays:
            return torch.load(path, map_location="cpu", weights_only=True)
        with _SAFE_GLOBALS, torch.serialization.safe_globals(_numpy_constructors()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError as reason:
        raise damaged(path, "it does not fit into memory") from reason
    except Exception as reason:  # torch's readers raise of every kind on what is damaged
        raise _unreadable(path, reason) from reason


def _numpy_constructors() -> list[Any]:
    """What a pickled array of numbers is built with; none of it runs anything that stands in the file."""
    reconstruct = np.empty(0).__reduce__()[0]
    kinds = [type(np.dtype(one)) for one in ("f2", "f4", "f8", "i2", "i4", "i8", "u1")]
    scalar = np.float32(0).__reduce__()[0]
    return [reconstruct, scalar, np.ndarray, np.dtype, *kinds]


def _unreadable(path: Path, reason: Exception) -> DataError:
    message = str(reason)
    if "numpy" in message and "_reconstruct" in message:
        return DataError(
            f"the file holds a {_PICKLED}, which is not read by default: pickles can run any program",
            place=str(path),
            fix="convert it to a tensor, or give --pickled-arrays: arrays of numbers are then built by NumPy's "
            "constructors, and nothing else in the file is run",
        )
    if "Unsupported global" in message or "Unsupported class" in message or "weights_only" in message.lower():
        named = message.partition("GLOBAL ")[2].split(" ")[0] or "Python objects"
        return DataError(
            f"the file holds pickled Python objects ({named[:80]}), which are not loaded: a pickle can run any program",
            place=str(path),
            fix="save the features as plain tensors (torch.save of a tensor), .npy or .h5 with the tool that made them",
        )
    return damaged(path, f"{type(reason).__name__}: {message.splitlines()[0] if message else ''}")
