"""The resampler ``dct``: JPEG tiles that are decoded smaller, put together, and brought to size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import tifffile
from PIL import Image
from support.tiled import tissue, write_tiled

from harness.slides.direct_reader import DirectReader
from harness.slides.reader import open_slide
from harness.slides.tile_codecs import jpeg_head, jpeg_stream


def _smaller(path: Path, factor: int) -> np.ndarray:
    """All tiles of the slide at a fraction of their size, side by side."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        high, wide = page.tilelength // factor, page.tilewidth // factor
        columns, rows = -(-page.imagewidth // page.tilewidth), -(-page.imagelength // page.tilelength)
        head = jpeg_head(page.jpegtables or b"", rgb=int(page.photometric) == 2)
        data = path.read_bytes()
        places = zip(page.dataoffsets, page.databytecounts, strict=True)
        tiles = [
            simplejpeg.decode_jpeg(jpeg_stream(head, data[o : o + n]), "RGB", min_height=high, min_width=wide)
            for o, n in places
        ]
    grid = np.stack(tiles).reshape(rows, columns, high, wide, 3)
    return grid.swapaxes(1, 2).reshape(rows * high, columns * wide, 3)


@pytest.mark.parametrize("subsampling", ["444", "420"])
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_tiles_at_a_fraction_are_those_of_the_decoder(tmp_path: Path, factor: int, subsampling: str) -> None:
    path = write_tiled(tmp_path / "a.tif", tissue(512, 384), subsampling=subsampling)
    coords = np.array([[0, 0], [64, 128], [8 * factor, 16 * factor], [256, 256]])
    small = _smaller(path, factor)
    side = 128 // factor
    with open_slide(path) as slide:
        assert slide.resampler_for("dct") == "dct"
        tiles = slide.read_tiles(coords, 128, side, resampler="dct", workers=2)
        other = slide.read_tiles(coords, 128, side)
    for tile, (x, y) in zip(tiles, coords // factor, strict=True):
        np.testing.assert_array_equal(tile, small[y : y + side, x : x + side])
    assert (tiles != other).any()


@pytest.mark.parametrize("corner", [(3, 5), (67, 0), (101, 77)])
def test_between_pixels_and_sizes_the_rest_is_a_bilinear_filter(tmp_path: Path, corner: tuple[int, int]) -> None:
    path = write_tiled(tmp_path / "a.tif", tissue(512, 384))
    x, y = corner
    small = Image.fromarray(_smaller(path, 2))
    with open_slide(path) as slide:
        (tile,) = slide.read_tiles(np.array([corner]), 150, 64, resampler="dct")
    box = x / 2, y / 2, (x + 150) / 2, (y + 150) / 2
    # The whole picture is resampled here, where the reader has only what the tile shows.
    expected = np.asarray(small.resize((64, 64), Image.Resampling.BILINEAR, box))
    np.testing.assert_array_equal(tile[1:-1, 1:-1], expected[1:-1, 1:-1])
    assert np.abs(tile.astype(int) - expected).max() < 40


def test_a_finer_tile_than_half_is_as_by_the_other_resampler(tmp_path: Path) -> None:
    path = write_tiled(tmp_path / "a.tif", tissue(512, 384), downsamples=(1, 2))
    coords = np.array([[0, 0], [13, 77]])
    with open_slide(path) as slide:
        for side, px in ((64, 64), (100, 64), (128, 64), (200, 64)):
            np.testing.assert_array_equal(
                slide.read_tiles(coords, side, px, resampler="dct"), slide.read_tiles(coords, side, px)
            )


def test_what_decodes_no_smaller_is_read_as_ever(tmp_path: Path, shared: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", tissue(128, 128), tile=(64, 64), photometric="rgb", compression="zlib")
    for path in (tmp_path / "a.tif", shared / "datasets/real/wsi/TCGA-CR-7395-01A-01-TS1.svs"):
        with open_slide(path) as slide:
            assert slide.resampler_for("dct") == "level"


def test_over_tiles_that_are_not_stored_pixels_are_those_of_the_other_resampler(tmp_path: Path) -> None:
    path = write_tiled(tmp_path / "a.tif", tissue(256, 192), missing={1})
    with open_slide(path) as slide:
        assert isinstance(slide, DirectReader)
        np.testing.assert_array_equal(
            slide.read_tiles(np.array([[0, 0]]), 128, 64, resampler="dct"),
            slide.read_tiles(np.array([[0, 0]]), 128, 64),
        )
