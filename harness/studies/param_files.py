"""Files that hyper-parameters name, such as a text encoder: their content is part of the identity of a unit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import BenchError, DataError
from harness.core.folders import expanded
from harness.datasets.catalog import is_path
from harness.datasets.content import ContentHashes
from harness.datasets.hash_all import checked, hash_all

_MODEL = "config.json"
"""Marks a folder as that of a model, for libraries that look for a name in the working folder first."""


def param_files(params: Mapping[str, Any]) -> dict[str, str]:
    """Hyper-parameter → hash of all bytes of the file or folder that it names.

    A text names a file if one is there; a folder, if the text is a path or the folder holds a model's ``config.json``.

    Args:
        params: hyper-parameters by name, of any type.

    Raises:
        DataError: a file cannot be read.
    """
    places = {name: place for name, value in params.items() if (place := _place(value)) is not None}
    if not places:
        return {}
    found = hash_all(places, _files, ContentHashes(), label="hashing files of hyper-parameters (MiB)")
    return {name: checked(content).hash for name, content in found.items()}


def _place(value: object) -> Path | None:
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        path = expanded(value).absolute()
        there = path.is_file() or (path.is_dir() and (is_path(value) or (path / _MODEL).is_file()))
    except (OSError, ValueError, BenchError):
        return None  # no name of a file at all
    return path if there else None


def _files(place: Path) -> list[Path]:
    files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    if not files:
        raise DataError("the folder holds no files", place=str(place), fix="correct the hyper-parameter")
    return files
