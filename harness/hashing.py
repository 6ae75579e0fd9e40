"""Content hashes: canonical JSON and SHA-256, the identity of everything that is cached."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_text(text: str) -> str:
    """SHA-256 of a text, as 64 hexadecimal digits."""
    # File names need not be UTF-8; what is not stands in them as surrogates.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sha256_json(value: Mapping[str, Any] | list[Any]) -> str:
    """SHA-256 of the canonical JSON of ``value``."""
    return sha256_text(canonical_json(value))


def sha256_file(path: Path) -> str:
    """SHA-256 of a whole file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint_file(path: Path, *, whole_below: int = 64 * _BLOCK, samples: int = 16) -> str:
    """Identity of a file that may be many gigabytes: size and sampled blocks.

    Files below ``whole_below`` bytes are hashed whole; of larger ones, the size and ``samples`` blocks of
    1 MiB at even distances, the first and the last among them.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= whole_below:
            while block := file.read(_BLOCK):
                digest.update(block)
        else:
            for k in range(samples):
                file.seek((size - _BLOCK) * k // (samples - 1))
                digest.update(file.read(_BLOCK))
    return digest.hexdigest()
