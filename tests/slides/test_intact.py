"""Files that lie about what is in them are refused, at once."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from harness.core.errors import DataError
from harness.slides.intact import check_whole, opened_tiff, pages_of
from harness.slides.reader import open_slide


def looped(path: Path, *, back_to: int = 8) -> Path:
    """A TIFF with one page, behind which the chain of pages leads back to byte ``back_to``."""
    path.write_bytes(b"II*\0" + struct.pack("<IHHHIII", 8, 1, 256, 4, 0xFFFFFFFF, 8, back_to))
    return path


@pytest.mark.parametrize("suffix", [".tif", ".svs", ".scn", ".ndpi", ".bif"])
def test_pages_in_a_circle_come_to_an_end(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(DataError):
        open_slide(looped(tmp_path / f"loop{suffix}"))


def test_all_pages_before_the_circle_are_read(tmp_path: Path) -> None:
    path = tmp_path / "three.tif"
    with tifffile.TiffWriter(path) as out:
        for side in (64, 32, 16):
            out.write(np.full((side, side, 3), 200, np.uint8), photometric="rgb", metadata=None)
    check_whole(path)
    with opened_tiff(path) as tiff:
        offsets = [page.offset for page in pages_of(tiff)]
    assert len(offsets) == 3
    data = bytearray(path.read_bytes())
    last = offsets[-1]
    (tags,) = struct.unpack_from("<H", data, last)
    struct.pack_into("<I", data, last + 2 + 12 * tags, offsets[0])
    path.write_bytes(data)
    check_whole(path)
    with opened_tiff(path) as tiff:
        assert [page.offset for page in pages_of(tiff)] == offsets
