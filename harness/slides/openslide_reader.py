"""Slides through OpenSlide."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import openslide
from PIL import Image

from harness.core.errors import DataError
from harness.datasets.dicom import levels_of
from harness.slides.base import NotThisFormatError, SlideReader
from harness.slides.files import slide_files
from harness.slides.intact import check_whole
from harness.slides.resolution import find_resolution
from harness.slides.tiff_layout import read_layout
from harness.slides.tiff_reader import refuse_unreadable

CACHE_BYTES = 128 << 20
"""Decoded tiles that OpenSlide keeps, for all open slides of a process together."""

_GENERIC = "generic-tiff"
_PROBE = 64
_ROUNDING, _SHAPE = 2.0, 0.02
_SIDES = ("width", "height")
_cache: openslide.OpenSlideCache | None = None
_cache_lock = threading.Lock()


class UnreadByOpenSlideError(NotThisFormatError):
    """Not a format of OpenSlide's, or a plain TIFF that it recognises, but does not read or would show wrongly."""


class OpenSlideReader(SlideReader):
    """A slide in any format that OpenSlide reads; see ``SlideReader``."""

    name = "openslide"

    def __init__(self, path: Path, *, mpp: float | None = None) -> None:
        """Open ``path``, a file or a DICOM folder.

        Raises:
            NotThisFormatError: not a format of OpenSlide's, or one that it would show wrongly.
            DataError: a format of OpenSlide's, but broken, or not of 8-bit colours.
        """
        self.path = path
        self.declared_mpp = mpp
        self._slide = _open(path)
        self._slide.set_cache(_shared_cache())
        properties = dict(self._slide.properties)
        self.width, self.height = self._slide.dimensions
        self.level_downsamples = _downsamples(self._slide)
        self.vendor = properties.get("openslide.vendor", "unknown")
        self._check_pixels()
        self.resolution = find_resolution(properties, mpp, (self.width, self.height))
        self.objective_power = _power(properties.get("openslide.objective-power"))
        self._background = "#" + properties.get("openslide.background-color", "ffffff")

    def _check_pixels(self) -> None:
        """Refuse what OpenSlide would show wrongly without an error."""
        if (layout := read_layout(self.path)) is None:
            return
        if self.vendor == _GENERIC:
            refuse_unreadable(self.path, layout)
            if not layout.usual or (self.width, self.height) != (layout.width, layout.height):
                self.close()
                raise UnreadByOpenSlideError
        elif layout.bits > 8:
            refuse_unreadable(self.path, layout)

    def region(self, x0: int, y0: int, level: int, width: int, height: int) -> Image.Image:
        """See ``SlideReader.region``."""
        try:
            image = self._slide.read_region((x0, y0), level, (width, height))
        except openslide.OpenSlideError as problem:
            raise DataError(
                f"the slide cannot be read at level {level}, x {x0}, y {y0}: {_one_line(problem)}",
                place=str(self.path),
                fix="download it again, or leave it out",
            ) from problem
        alpha = image.getchannel("A")
        if alpha.getextrema()[0] == 255:
            return image.convert("RGB")
        ground = Image.new("RGB", image.size, self._background)
        ground.paste(image, mask=alpha)
        return ground

    def check(self) -> None:
        """See ``SlideReader.check``."""
        for file in slide_files(self.path):
            check_whole(file)
        for level, (width, height) in enumerate(self._slide.level_dimensions):
            if not math.isfinite(self.level_downsamples[level]):
                continue
            for part in (0.0, 0.5, 1.0):
                x, y = part * max(0, width - _PROBE), part * max(0, height - _PROBE)
                downsample = self.level_downsamples[level]
                self.region(int(x * downsample), int(y * downsample), level, min(_PROBE, width), min(_PROBE, height))

    def stored_tiles(self, level: int) -> tuple[int, int] | None:
        """See ``SlideReader.stored_tiles``."""
        _, _, width, height = self.level_tiles()[level]
        return (width, height) if width and height else None

    def level_tiles(self) -> list[tuple[int, int, int, int]]:
        """Of every level: width, height, tile width and tile height, the latter zero where it has no tiles."""
        properties, found = self._slide.properties, []
        for level, (width, height) in enumerate(self._slide.level_dimensions):
            tile_w, tile_h = (int(properties.get(f"openslide.level[{level}].tile-{side}", 0)) for side in _SIDES)
            found.append((width, height, tile_w, tile_h))
        return found

    def close(self) -> None:
        """Close the file."""
        self._slide.close()


def _open(path: Path) -> openslide.OpenSlide:
    candidates = levels_of(path) if path.is_dir() or path.suffix.lower() == ".dcm" else [path]
    for number, file in enumerate(candidates, start=1):
        try:
            return openslide.OpenSlide(file)
        except openslide.OpenSlideError as problem:
            # Not every file of a DICOM series is a level of the slide; any one that is opens them all.
            if number < len(candidates):
                continue
            if isinstance(problem, openslide.OpenSlideUnsupportedFormatError):
                raise UnreadByOpenSlideError from problem
            check_whole(path)
            if openslide.OpenSlide.detect_format(file) == _GENERIC:
                raise UnreadByOpenSlideError from problem
            raise DataError(
                f"the slide is broken: {_one_line(problem)}",
                place=str(path),
                fix="download it again, or leave it out",
            ) from problem
    raise AssertionError("no candidates")


def _downsamples(slide: openslide.OpenSlide) -> tuple[float, ...]:
    """The factor of every level; infinite, so that it is never read, for one of another shape (a label, a macro)."""
    width, height = slide.dimensions
    factors: list[float] = []
    for level_width, level_height in slide.level_dimensions:
        expected = height * level_width / width
        fits = abs(level_height - expected) <= _ROUNDING + _SHAPE * expected
        factors.append(slide.level_downsamples[len(factors)] if fits else math.inf)
    return tuple(factors)


def _shared_cache() -> openslide.OpenSlideCache:
    # Each handle's own cache would add up to gigabytes when a loader keeps hundreds of slides open.
    global _cache
    with _cache_lock:
        if _cache is None:
            _cache = openslide.OpenSlideCache(CACHE_BYTES)
        return _cache


def _power(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _one_line(problem: Exception) -> str:
    return " ".join(str(problem).split()) or type(problem).__name__
