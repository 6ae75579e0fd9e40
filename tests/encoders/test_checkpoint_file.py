"""Weights files that announce more than they hold are refused, and take no memory. Reading: ``test_weights.py``."""

from __future__ import annotations

import json
import resource
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from harness.core.errors import DataError
from harness.encoders.checkpoint_file import read_checkpoint

HUGE = 500_000_000
_FOUR, _HUGE_NUMBER = b"K\x04", b"\x8a\x05" + HUGE.to_bytes(5, "little")
"""Pickled numbers."""


def safetensors(path: Path, shape: int, stop: int) -> Path:
    header = json.dumps({"a": {"dtype": "F32", "shape": [shape], "data_offsets": [0, stop]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    return path


def compressed(folder: Path) -> Path:
    """400 MB of zeros in an archive of 400 kB, which torch would unpack."""
    path = folder / "bomb.pt"
    torch.save({"a": torch.zeros(4)}, folder / "small.pt")
    with zipfile.ZipFile(folder / "small.pt") as small, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for member in small.infolist():
            with bomb.open(member.filename, "w") as out:
                out.write(small.read(member))
                for _ in range(400 if "/data/" in member.filename else 0):
                    out.write(bytes(1 << 20))
    return path


def lying(folder: Path) -> Path:
    """A tensor whose storage has more numbers, by the pickle, than the archive holds."""
    path = folder / "lying.pt"
    torch.save({"a": torch.zeros(4)}, folder / "small.pt")
    with zipfile.ZipFile(folder / "small.pt") as small, zipfile.ZipFile(path, "w") as out:
        for member in small.infolist():
            out.writestr(member.filename, small.read(member).replace(_FOUR, _HUGE_NUMBER))
    return path


def legacy(folder: Path) -> Path:
    """The same before torch 1.6, where the pickle comes before the numbers."""
    path = folder / "legacy.pt"
    torch.save({"a": torch.zeros(4)}, path, _use_new_zipfile_serialization=False)
    start, four, end = path.read_bytes().rpartition(_FOUR)
    assert four
    path.write_bytes(start + _HUGE_NUMBER + end)
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: safetensors(folder / "a.safetensors", HUGE, 4 * HUGE),
        lambda folder: safetensors(folder / "a.safetensors", HUGE, 16),
        compressed,
        lying,
        legacy,
    ],
)
def test_a_file_that_announces_more_than_it_holds_is_refused(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match="not a readable weights file"):
        read_checkpoint(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
