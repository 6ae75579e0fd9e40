"""Tiles decoded from their own bytes equal OpenSlide's, pixel by pixel, and fail as OpenSlide's do."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from support.tiled import tissue, write_tiled

from harness.core.errors import DataError
from harness.slides import direct_reader
from harness.slides.direct_reader import DirectReader
from harness.slides.openslide_reader import OpenSlideReader
from harness.slides.reader import open_slide

APERIO = "Aperio Image Library v11\r\n200x144 (64x64) JPEG/RGB Q=80|AppMag = 20|MPP = 0.5"


@pytest.fixture
def only_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be read through OpenSlide."""

    def refuse(*_: object) -> None:
        raise AssertionError("read through OpenSlide")

    monkeypatch.setattr(DirectReader, "_through_openslide", refuse)


def regions(width: int, height: int, tile: int) -> list[tuple[int, int, int, int]]:
    """Aligned, unaligned, single pixels, edges, several tiles, and the whole slide: left, top, width, height."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(25):
        wide, high = (int(rng.integers(1, min(side, 3 * tile))) for side in (width, height))
        drawn.append((int(rng.integers(width - wide + 1)), int(rng.integers(height - high + 1)), wide, high))
    return [(0, 0, tile, tile), (tile, tile, tile, tile), (width - 1, height - 1, 1, 1), (0, 0, width, height), *drawn]


def assert_equal(path: Path, boxes: list[tuple[int, int, int, int]], mpp: float | None = None) -> None:
    with open_slide(path, mpp=mpp) as direct, OpenSlideReader(path, mpp=mpp) as reference:
        assert isinstance(direct, DirectReader)
        for x, y, wide, high in boxes:
            for factor in (1, 2):
                size = max(1, wide // factor), max(1, high // factor)
                np.testing.assert_array_equal(
                    direct.read_region(x, y, wide, high, *size), reference.read_region(x, y, wide, high, *size)
                )


@pytest.mark.parametrize("description", [None, APERIO], ids=["generic", "aperio"])
@pytest.mark.parametrize("share_tables", [True, False])
@pytest.mark.parametrize(
    "options",
    [{"rgb": True}, {}, {"subsampling": "422"}, {"subsampling": "420", "tile": (48, 80)}],
    ids=["rgb", "444", "422", "420"],
)
@pytest.mark.usefixtures("only_direct")
def test_pixels_are_those_of_openslide(
    tmp_path: Path, options: dict[str, Any], share_tables: bool, description: str | None
) -> None:
    path = write_tiled(
        tmp_path / "a.svs", tissue(200, 144), share_tables=share_tables, description=description, **options
    )
    assert_equal(path, regions(200, 144, 64))


@pytest.mark.parametrize(
    ("name", "tile"), [("CMU-1-Small-Region.svs", 240), ("TCGA-CR-7395-01A-01-TS1.svs", 256)], ids=["jpeg", "jpeg2000"]
)
@pytest.mark.usefixtures("only_direct")
def test_pixels_of_real_slides_are_those_of_openslide(shared: Path, name: str, tile: int) -> None:
    path = shared / "datasets/real/wsi" / name
    with OpenSlideReader(path) as slide:
        width, height = slide.width, slide.height
    far = [
        (width - 100, height - 90, 100, 90),
        (4 * tile, 3 * tile, tile, tile),
        (5 * tile - 9, 2 * tile + 7, 256, 256),
    ]
    with open_slide(path) as direct, OpenSlideReader(path) as reference:
        assert isinstance(direct, DirectReader)
        for x, y, wide, high in far:
            np.testing.assert_array_equal(
                direct.read_region(x, y, wide, high, wide, high), reference.read_region(x, y, wide, high, wide, high)
            )


@pytest.mark.usefixtures("only_direct")
def test_levels_are_read_where_a_point_of_level_0_is_a_pixel_of_theirs(tmp_path: Path) -> None:
    path = write_tiled(tmp_path / "a.tif", tissue(256, 192), downsamples=(1, 2, 4))
    with open_slide(path) as direct, OpenSlideReader(path) as reference:
        for x, y, downsample in ((0, 0, 2), (4, 8, 2), (64, 64, 4), (128, 64, 4)):
            box = x, y, 64, 64, 64 // downsample, 64 // downsample
            assert direct.level_for(*box[2:]) > 0
            np.testing.assert_array_equal(direct.read_region(*box), reference.read_region(*box))


def test_tiles_that_are_not_stored_and_what_lies_outside_are_as_openslide_shows_them(tmp_path: Path) -> None:
    path = write_tiled(tmp_path / "a.tif", tissue(256, 192), missing={1, 6}, downsamples=(1, 2))
    outside = [(-20, 10, 64, 64), (230, 170, 64, 64), (5, 5, 99, 99), (65, 3, 62, 60)]
    assert_equal(path, outside + regions(256, 192, 64)[:8])


def test_an_svs_that_lacks_tiles_is_left_to_openslide(tmp_path: Path) -> None:
    path = write_tiled(tmp_path / "a.svs", tissue(256, 192), missing={6}, downsamples=(1, 2), description=APERIO)
    with open_slide(path) as slide:
        assert type(slide) is OpenSlideReader


def test_points_between_the_pixels_of_a_level_are_as_openslide_shows_them(tmp_path: Path) -> None:
    path = write_tiled(tmp_path / "a.tif", tissue(257, 193), downsamples=(1, 2))
    with open_slide(path) as slide:
        assert slide.level_downsamples[1] % 1
    assert_equal(path, [(3, 5, 128, 128), (64, 64, 64, 64), (7, 0, 100, 90)])


def test_tiles_in_any_order_with_threads_and_after_pickling(tmp_path: Path) -> None:
    path = write_tiled(tmp_path / "a.tif", tissue(256, 192), subsampling="420")
    coords = np.random.default_rng(1).integers(0, 120, (30, 2))
    coords[::3] = coords[::3] // 64 * 64
    with open_slide(path) as slide, OpenSlideReader(path) as reference:
        expected = reference.read_tiles(coords, 64, 64)
        np.testing.assert_array_equal(slide.read_tiles(coords, 64, 64, workers=3), expected)
        with pickle.loads(pickle.dumps(slide)) as again:
            assert isinstance(again, DirectReader)
            np.testing.assert_array_equal(again.read_tiles(coords, 64, 64), expected)


def test_memory_for_tiles_that_are_shared_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = direct_reader.DecodedCache(3 * 64 * 64 * 3)
    monkeypatch.setattr(direct_reader, "_cache", cache)
    assert_equal(write_tiled(tmp_path / "a.tif", tissue(256, 192)), regions(256, 192, 64))
    assert 0 < cache.size <= 3 * 64 * 64 * 3


@pytest.mark.parametrize("harm", ["noise", "zeros", "cut", "smaller"])
def test_a_damaged_tile_is_read_or_refused_as_by_openslide(tmp_path: Path, harm: str) -> None:
    path = write_tiled(tmp_path / "a.tif", tissue(256, 192))
    _damage(path, 5, harm)
    with open_slide(path) as direct, OpenSlideReader(path) as reference:
        assert isinstance(direct, DirectReader)
        assert _outcome(direct) == _outcome(reference)


def test_a_slide_that_is_cut_short_while_it_is_open_fails_as_by_openslide(tmp_path: Path) -> None:
    path = write_tiled(tmp_path / "a.tif", tissue(256, 192))
    with open_slide(path) as direct, OpenSlideReader(path) as reference:
        path.write_bytes(path.read_bytes()[:3000])
        assert _outcome(direct, (192, 128)) == _outcome(reference, (192, 128))


def test_reading_from_a_closed_slide_is_an_error(tmp_path: Path) -> None:
    slide = open_slide(write_tiled(tmp_path / "a.tif", tissue(128, 128)))
    slide.close()
    with pytest.raises(Exception, match=r".+"):
        slide.read_region(0, 0, 64, 64, 64, 64)


def test_what_is_no_tiff_of_jpeg_tiles_is_left_to_other_readers(tmp_path: Path, shared: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", tissue(128, 128), tile=(64, 64), photometric="rgb", compression="zlib")
    for path in (tmp_path / "a.tif", shared / "datasets/real/wsi/dicom_cmu-1-small-region"):
        with open_slide(path) as slide:
            assert type(slide) is OpenSlideReader


def _damage(path: Path, number: int, harm: str) -> None:
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        start, count = page.dataoffsets[number], page.databytecounts[number]
        table = page.tags["TileByteCounts"].valueoffset + 4 * number
    data = bytearray(path.read_bytes())
    if harm == "noise":
        middle = start + count // 2
        data[middle : middle + 60] = np.random.default_rng(0).bytes(60)
    elif harm == "zeros":
        data[start : start + count] = bytes(count)
    elif harm == "cut":
        data[table : table + 4] = (count // 2).to_bytes(4, "little")
    else:
        at = bytes(data).index(b"\xff\xc0", start)
        data[at + 5 : at + 7] = (32).to_bytes(2, "big")
    path.write_bytes(data)


def _outcome(slide: DirectReader | OpenSlideReader, at: tuple[int, int] = (64, 64)) -> object:
    try:
        return slide.read_region(*at, 64, 64, 64, 64).tobytes()
    except DataError as problem:
        return problem.problem, problem.place, problem.fix
