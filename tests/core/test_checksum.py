"""The checksum of large arrays is zlib's, with and without the fast library."""

from __future__ import annotations

import sys
import zlib

import numpy as np
import pytest

from harness.core import checksum


@pytest.fixture(params=["libdeflate", "zlib"])
def crc32(request, monkeypatch):
    checksum._fastest.cache_clear()
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "imagecodecs", None)
    yield checksum.crc32
    assert (checksum._fastest() is zlib.crc32) == (request.param == "zlib")
    checksum._fastest.cache_clear()


@pytest.mark.parametrize("size", [0, 1, 17, 4096, 100_003])
def test_it_is_zlibs_in_one_piece_or_several(crc32, size: int) -> None:
    data = np.random.default_rng(0).integers(0, 256, size, np.uint8).data
    assert crc32(data) == zlib.crc32(data)
    middle = size // 3
    assert crc32(data[middle:], crc32(data[:middle])) == zlib.crc32(data)
