"""Reading tiles of slides: by their own bytes, through OpenSlide, and what the JPEG decoder alone takes.

Not part of the test run; ``python tests/benchmarks/performance.py tiles`` runs it and writes the table of
docs/performance.md. The ways take turns within each round, on the same tiles, and CPU time is counted, so that their
ratios hold on a busy machine, too.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import openslide
import pytest
import simplejpeg
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import ndimage
from support.taking_turns import take_turns
from support.tiled import write_tiled

from harness.bags.slide_reader import SlideTiles
from harness.slides import direct_reader
from harness.slides.decoded_cache import DecodedCache
from harness.slides.direct_reader import DirectReader
from harness.slides.index import SlideIndex
from harness.slides.scale import Scale
from harness.slides.tile_codecs import jpeg_stream

TILE, ACROSS, SLIDES = 256, 32, 6
SIDE = TILE * ACROSS
DRAWN = 128

Coords = np.ndarray


def _stained(side: int) -> np.ndarray:
    """Blobs of two stains on glass with the noise of a camera; compresses as H&E does, to about 0.25 bytes a pixel."""
    rng = np.random.default_rng(0)
    fine, coarse = (ndimage.gaussian_filter(rng.normal(size=(side, side)), sigma, mode="wrap") for sigma in (2.5, 9))
    nuclei, tissue = ((blobs / blobs.std() + 0.5).clip(0, 2) / 2 for blobs in (fine, coarse))
    absorbed = nuclei[..., None] * (110, 130, 60) + tissue[..., None] * (30, 90, 45)
    return (240 - absorbed + rng.normal(0, 4, (side, side, 3))).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Slides of 8,192 pixels and 1,024 JPEG tiles with shared tables."""
    folder = tmp_path_factory.mktemp("slides")
    picture = np.tile(_stained(TILE * 8), (ACROSS // 8, ACROSS // 8, 1))
    first = write_tiled(folder / "0.tif", picture, tile=(TILE, TILE), subsampling="420", quality=75)
    return [first] + [shutil.copyfile(first, folder / f"{number}.tif") for number in range(1, SLIDES)]


@pytest.fixture(autouse=True)
def no_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept decoded: tiles are drawn from slides far larger than any cache."""
    monkeypatch.setattr(direct_reader, "_cache", DecodedCache(0))


@pytest.fixture
def direct(slides: list[Path]) -> Iterator[DirectReader]:
    with DirectReader(slides[0]) as slide:
        yield slide


def _handle(path: Path) -> openslide.OpenSlide:
    handle = openslide.OpenSlide(path)
    handle.set_cache(openslide.OpenSlideCache(0))
    return handle


def _by_openslide(handle: openslide.OpenSlide, side: int, px: int, coords: Coords) -> np.ndarray:
    tiles = np.empty((len(coords), px, px, 3), np.uint8)
    for row, (x, y) in enumerate(coords):
        image = handle.read_region((int(x), int(y)), 0, (side, side)).convert("RGB")
        tiles[row] = np.asarray(image if px == side else image.resize((px, px), Image.Resampling.BILINEAR))
    return tiles


def _streams(slide: DirectReader) -> Callable[[Coords, int], list[bytes]]:
    """The complete JPEGs of the tiles of the file that regions touch."""
    (level,) = slide._levels
    data = slide.path.read_bytes()

    def touched(coords: Coords, side: int) -> list[bytes]:
        streams = []
        for x, y in coords:
            for row in range(y // TILE, (y + side - 1) // TILE + 1):
                for column in range(x // TILE, (x + side - 1) // TILE + 1):
                    offset, length = level.ranges[row * ACROSS + column].tolist()
                    streams.append(jpeg_stream(level.head, data[offset : offset + length]))
        return streams

    return touched


def _decode(px: int, count: int, streams: list[bytes]) -> None:
    """Tiles of ``px`` pixels, into as much new memory as ``count`` tiles of 256 pixels take."""
    room = np.empty((count * (TILE // px) ** 2, px, px, 3), np.uint8)
    for number, stream in enumerate(streams):
        simplejpeg.decode_jpeg(stream, "RGB", min_height=px, min_width=px, buffer=room[number % len(room)])


CASES = {
    "a tile of the file": (TILE, 1, TILE, "level"),
    "a tile from anywhere": (TILE, 1, 1, "level"),
    "half resolution, on tiles of the file": (2 * TILE, 2, TILE, "dct"),
    "half resolution, from anywhere": (2 * TILE, 2, 1, "dct"),
}


@pytest.mark.parametrize("case", CASES)
def test_tiles(benchmark: BenchmarkFixture, direct: DirectReader, case: str) -> None:
    side, factor, step, resampler = CASES[case]
    px, handle, touched = side // factor, _handle(direct.path), _streams(direct)
    rng = np.random.default_rng(0)

    def ways() -> dict[str, Callable[[], object]]:
        coords = rng.integers(0, (SIDE - side) // step + 1, (48, 2)) * step
        return {
            "direct": partial(direct.read_tiles, coords, side, px, resampler=resampler),
            "openslide": partial(_by_openslide, handle, side, px, coords),
            "decoder": partial(_decode, TILE // factor, len(coords), touched(coords, side)),
        }

    if resampler == "level":
        found = ways()
        np.testing.assert_array_equal(found["direct"](), found["openslide"]())
    take_turns(benchmark, "tiles", case, ways, amount=48, rounds=25)


@pytest.mark.parametrize(("step", "workers"), [(TILE, 1), (TILE, 2), (1, 2)])
def test_a_batch_of_random_tiles(benchmark: BenchmarkFixture, slides: list[Path], step: int, workers: int) -> None:
    """What a training step reads: 128 tiles of 6 slides; the other ways in one thread."""
    rng = np.random.default_rng(0)
    indexes = {path.stem: _index(path, rng, step) for path in slides}
    reader = SlideTiles(indexes, mpp=None, workers=workers)
    handles = {path.stem: _handle(path) for path in slides}
    touched = _streams(reader._reader("0"))
    shares = [len(part) for part in np.array_split(np.arange(DRAWN), SLIDES)]

    def ways() -> dict[str, Callable[[], object]]:
        rows = {slide: rng.integers(0, 4096, share) for slide, share in zip(indexes, shares, strict=True)}
        corners = {slide: indexes[slide].coords[0][picked] for slide, picked in rows.items()}
        streams = [one for coords in corners.values() for one in touched(coords, TILE)]
        return {
            "direct": lambda: [reader.read(slide, 0, picked) for slide, picked in rows.items()],
            "openslide": lambda: [_by_openslide(handles[slide], TILE, TILE, at) for slide, at in corners.items()],
            "decoder": partial(_decode, TILE, DRAWN, streams),
        }

    where = "on tiles of the file" if step > 1 else "from anywhere"
    case = f"{DRAWN} random tiles of {SLIDES} slides, {where}, {workers} thread{'s' * (workers > 1)}"
    take_turns(benchmark, "tiles", case, ways, amount=DRAWN, rounds=15)


def _index(path: Path, rng: np.random.Generator, step: int) -> SlideIndex:
    coords = rng.integers(0, (SIDE - TILE) // step + 1, (4096, 2)) * step
    return SlideIndex(path.stem, path, 0.5, "", SIDE, SIDE, "", (Scale(0.5, TILE),), (coords,), "", sides=(TILE,))
