from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from harness.core.errors import DataError
from harness.datasets.card import TissueSettings
from harness.slides.damaged_tiles import damaged_tiles
from harness.slides.index import index_path, load
from harness.slides.inspection import inspect_slide
from harness.slides.prepare import PrepareReport, PrepareSettings, prepare_slides

Make = Callable[..., Path]
Draw = Callable[..., np.ndarray]
TISSUE = TissueSettings(mpp=4.0, min_area_mm2=0.001)
CODECS = ["jpeg", "zlib", "lzw", "jpeg2000", "zstd", "webp"]


def _place(path: Path, tile: int, level: int = 0) -> tuple[int, int]:
    with tifffile.TiffFile(path) as tiff:
        return tiff.pages[level].dataoffsets[tile], tiff.pages[level].databytecounts[tile]


def _overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def _forget(
    path: Path, tile: int, level: int = 0, *, names: tuple[str, ...] = ("TileOffsets", "TileByteCounts")
) -> None:
    """Make a tile one that is not stored, in the tables of tiles."""
    with tifffile.TiffFile(path) as tiff:
        for name in names:
            tag = tiff.pages[level].tags[name]
            size = tag.valuebytecount // tag.count
            _overwrite(path, tag.valueoffset + tile * size, bytes(size))


def _prepare(path: Path, out: Path, **more: object) -> PrepareReport:
    # An overview that is large enough for the picture, so that level 0 is read for the tiles alone.
    settings = PrepareSettings((0.5,), 64, TISSUE.model_copy(update={"mpp": 1.0}), **more)
    return prepare_slides({"a": path}, out, settings, workers=0)


def _inspect(path: Path) -> str:
    return inspect_slide(path, mpp=None, tissue=TISSUE, on_damage="refuse")


@pytest.fixture
def slide(make_slide: Make, draw: Draw) -> Callable[[str], Path]:
    return lambda codec: make_slide("a.tif", draw(1024, 1024), compression=codec)


@pytest.mark.parametrize("codec", CODECS)
def test_of_each_codec_a_whole_slide_has_none_and_a_damaged_one_is_named(slide, codec: str) -> None:
    path = slide(codec)
    assert damaged_tiles([path], 1024, 1024) == ()
    offset, count = _place(path, 16 * 7 + 8)
    whole = path.read_bytes()
    for data in (bytes(count), bytes(count // 4), b"not a tile of an image"):
        _overwrite(path, offset, data)
        (found,) = damaged_tiles([path], 1024, 1024)
        assert (found.column, found.row, found.x, found.y, found.empty) == (8, 7, 512, 448, False)
        path.write_bytes(whole)
    _overwrite(path, offset + count // 4, bytes(count - count // 4))
    assert len(damaged_tiles([path], 1024, 1024)) == 1


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_slide_with_a_dead_tile_is_refused_by_prepare_and_verify(slide, tmp_path: Path, level: int) -> None:
    path = slide("jpeg")
    offset, count = _place(path, 9, level)
    _overwrite(path, offset, bytes(count))
    (row,) = _prepare(path, tmp_path / "out").rows
    assert row.status == "failed"
    assert f"column {9 % (16 >> level)}, row {9 // (16 >> level)}" in row.reason
    with pytest.raises(DataError, match=f"level with downsample {2**level}") as caught:
        _inspect(path)
    assert caught.value.place == str(path)


@pytest.mark.parametrize("names", [("TileByteCounts",), ("TileOffsets", "TileByteCounts")])
@pytest.mark.parametrize("codec", ["jpeg", None])
def test_a_tile_that_is_not_stored_is_damage_only_where_there_is_tissue(slide, tmp_path: Path, codec, names) -> None:
    path = slide(codec)
    _forget(path, 0, names=names)
    assert [tile.empty for tile in damaged_tiles([path], 1024, 1024)] == [True]
    assert _prepare(path, tmp_path / "one").failed == ()
    assert _inspect(path)
    _forget(path, 16 * 7 + 8, names=names)
    (row,) = _prepare(path, tmp_path / "two").failed
    assert "column 8, row 7" in row.reason
    assert "is not stored" in row.reason
    with pytest.raises(DataError, match="column 8, row 7"):
        _inspect(path)


@pytest.mark.parametrize("codec", ["jpeg", None])
def test_a_tile_in_the_header_of_the_file_is_damage_everywhere(slide, tmp_path: Path, codec) -> None:
    path = slide(codec)
    _forget(path, 0, names=("TileOffsets",))
    (row,) = _prepare(path, tmp_path / "out").failed
    assert "column 0, row 0" in row.reason and "header of the file" in row.reason


def test_zeros_without_compression_are_damage_where_there_is_tissue(slide, tmp_path: Path) -> None:
    path = slide(None)
    for tile in (0, 16 * 7 + 8):
        offset, count = _place(path, tile)
        _overwrite(path, offset, bytes(count))
    (row,) = _prepare(path, tmp_path / "out").failed
    assert "1 tile of the file is damaged" in row.reason
    assert "column 8, row 7" in row.reason


def test_the_card_may_have_them_left_out_which_is_noted(slide, tmp_path: Path) -> None:
    path = slide("jpeg")
    before = load(index_path(tmp_path / "whole", "a")) if _prepare(path, tmp_path / "whole").ready else None
    assert before is not None
    offset, count = _place(path, 16 * 7 + 8)
    _overwrite(path, offset, bytes(count))
    report = _prepare(path, tmp_path / "out", damaged_tiles="leave_out")
    index = load(index_path(tmp_path / "out", "a"))
    lost = {tuple(xy) for xy in before.coords[0].tolist()} - {tuple(xy) for xy in index.coords[0].tolist()}
    assert lost == {(512, 448)}
    assert "column 8, row 7" in report.rows[0].note
    assert index.settings_hash != before.settings_hash
