"""Reading checkpoints without running code of theirs.

Training programs store weights beside their arguments, optimiser state and objects of their own classes, all in one
pickle. torch's unpickler for weights (``weights_only=True``) calls nothing but its own functions that build tensors,
and refuses every other name in the file. Here these other names are replaced by inert classes while the file is read:
what it would have built or called becomes an empty object, and the tensors beside it can be read. Names in the modules
that start programs or change the interpreter (``os``, ``sys``, ...) stay refused.
"""

from __future__ import annotations

import pickletools
import warnings
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import torch

from harness.core.errors import DataError
from harness.core.reading import size_text, unpacked_size

_LEGACY_PICKLES = 4
"""A file of torch before 1.6 starts with this many pickles: magic number, version, system, and the content."""

_INERT = "checkpoint_file.Inert"
"""A name for the stand-in itself, so that what ``getattr`` gives may be used."""


class _Inert(list[Any]):
    """Stands for an object of any class that the file names; it ignores what it is made from."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()

    def __new__(cls, *args: object, **kwargs: object) -> _Inert:
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Nothing is restored."""


class _InertMapping:
    """Stands for a class of dictionaries, whose entries torch's unpickler stores in dictionaries of its own only."""

    def __new__(cls, *args: object, **kwargs: object) -> OrderedDict[Any, Any]:  # type: ignore[misc]
        return OrderedDict()


def _nested(*args: object) -> type[_Inert]:
    """Stands for ``getattr``, by which pickles name classes within classes, and methods."""
    return _Inert


def read_checkpoint(path: Path) -> Any:
    """The content of a ``.safetensors`` file, or of a file by ``torch.save``, on the CPU.

    Tensors, dictionaries, lists and plain values are as they were saved; objects of other classes are inert
    placeholders. No code in the file, or that the file names, is run.

    Raises:
        DataError: no such file, not a weights file, a TorchScript archive, or one that names functions of ``os`` or
            ``sys``.
    """
    if not path.is_file():
        raise DataError("the weights file does not exist", place=str(path), fix="check the path behind file:NAME=")
    # What a damaged or hostile file makes a reader raise is of no fixed set of classes.
    try:
        if path.suffix == ".safetensors":  # its reader compares the sizes in the header with the file's
            from safetensors.torch import load_file as load_safetensors

            return load_safetensors(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read_pickled(path)
    except Exception as error:
        raise _unreadable(path, error) from error


def _read_pickled(path: Path) -> Any:
    _check_sizes(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        named = {name for pickled in _pickles(path) for name in _globals(pickled)}
    if not named:
        return torch.load(path, map_location="cpu", weights_only=True)
    try:
        return _load_with(path, dict.fromkeys(named, _Inert))
    except Exception:
        # Some class among them is one of dictionaries. NumPy's restore a state that is none.
        return _load_with(path, {n: _Inert if n.startswith("numpy.") else _InertMapping for n in named})


def _check_sizes(path: Path) -> None:
    """Refuse an archive that unpacks to more than it is: torch stores tensors as they are, and so does the file."""
    unpacked, packed = unpacked_size(path), path.stat().st_size
    if unpacked is not None and unpacked > packed:
        raise ValueError(f"its {size_text(packed)} would unpack to {size_text(unpacked)}")


def _load_with(path: Path, stand_ins: Mapping[str, type]) -> Any:
    """The content, with a stand-in for each name; torch prefers its own functions where it knows the name."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    stand_ins = {**stand_ins, _INERT: _Inert}
    allowed: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        (_nested if name == "builtins.getattr" else stand_in, name) for name, stand_in in stand_ins.items()
    ]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True)
    finally:
        torch.serialization.add_safe_globals(before)


def _pickles(path: Path) -> Iterator[IO[bytes]]:
    """The pickles of a torch file, each at its start."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("data.pkl"):
                    with archive.open(name) as pickled:
                        yield pickled
        return
    with path.open("rb") as file:
        for _ in range(_LEGACY_PICKLES):
            yield file


def _globals(pickled: IO[bytes]) -> Iterator[str]:
    """The names that a pickle refers to, as ``module.name``; the stream stands behind it afterwards."""
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            # As Python 3 calls what Python 2 wrote.
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
            yield f"{module}.{name}"


def _unreadable(path: Path, error: Exception) -> DataError:
    # torch puts advice for programmers in front of the reason.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = next((line for line in lines if "GLOBAL" in line or "Unsupported" in line), lines[0] if lines else "")
    return DataError(
        f"not a readable weights file: {reason[:160] or type(error).__name__}",
        place=str(path),
        fix="give a .safetensors file, or a torch file with nothing but tensors (torch.save(model.state_dict()))",
    )
