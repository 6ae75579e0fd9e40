"""Flat images (JPEG, PNG, single-page TIFF) as slides of one level; their resolution must be declared."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import psutil
from PIL import Image

from harness.errors import DataError
from harness.slides.base import SlideReader
from harness.slides.intact import check_whole
from harness.slides.resolution import find_resolution

_BYTES_PER_PIXEL = 4
_FORMATS = ("JPEG", "PNG", "TIFF", "BMP")
_EIGHT_BIT = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
_open_lock = threading.Lock()


class NotAnImageError(Exception):
    """The file is no image that PIL knows, or a TIFF of several pages."""


class PlainReader(SlideReader):
    """A flat image, decoded whole into memory at the first read; see ``SlideReader``."""

    def __init__(self, path: Path, *, mpp: float | None = None) -> None:
        """Open ``path`` without decoding it.

        Raises:
            NotAnImageError: not an image of one page that PIL knows.
            DataError: more than 8 bits per channel.
        """
        self.path = path
        self.declared_mpp = mpp
        with _opened(path) as image:
            self.width, self.height = image.size
            self.vendor = f"image/{(image.format or 'unknown').lower()}"
            if image.mode not in _EIGHT_BIT:
                raise DataError(
                    f"the image has pixels of kind {image.mode}, not 8 bits per channel",
                    place=str(path),
                    fix="convert it to 8-bit RGB",
                )
        self.level_downsamples = (1.0,)
        self.objective_power = None
        # The dots per inch of a flat image are a default of the program that saved it, so they are not asked.
        self.resolution = find_resolution({}, mpp)
        self._image: Image.Image | None = None
        self._lock = threading.Lock()
        self._closed = False

    def _pixels(self) -> Image.Image:
        with self._lock:
            if self._closed:
                raise ValueError(f"read from a closed slide: {self.path}")
            if self._image is None:
                self._image = self._decode()
            return self._image

    def _decode(self) -> Image.Image:
        needed, free = self.width * self.height * _BYTES_PER_PIXEL, psutil.virtual_memory().available
        if needed > 0.8 * free:
            raise DataError(
                f"the image needs {needed / 2**30:.1f} GiB of memory, {free / 2**30:.1f} GiB are free",
                place=str(self.path),
                fix="use fewer workers, or convert it to a tiled pyramidal TIFF",
            )
        try:
            with _opened(self.path) as image:
                if image.mode in {"LA", "PA", "RGBA"} or "transparency" in image.info:
                    image = image.convert("RGBA")
                    ground = Image.new("RGB", image.size, "white")
                    ground.paste(image, mask=image.getchannel("A"))
                    return ground
                image.load()
                return image if image.mode == "RGB" else image.convert("RGB")
        except (OSError, SyntaxError, ValueError, EOFError) as problem:
            raise DataError(
                f"the image cannot be decoded: {' '.join(str(problem).split())}",
                place=str(self.path),
                fix="download it again, or leave it out",
            ) from problem

    def _region(self, x0: int, y0: int, level: int, width: int, height: int) -> Image.Image:
        image = self._pixels()
        if x0 >= 0 and y0 >= 0 and x0 + width <= self.width and y0 + height <= self.height:
            return image.crop((x0, y0, x0 + width, y0 + height))
        ground = Image.new("RGB", (width, height), "white")
        left, top = max(0, x0), max(0, y0)
        right, bottom = min(self.width, x0 + width), min(self.height, y0 + height)
        if left < right and top < bottom:
            ground.paste(image.crop((left, top, right, bottom)), (left - x0, top - y0))
        return ground

    def check(self) -> None:
        """See ``SlideReader.check``; decodes the whole image."""
        check_whole(self.path)
        self._pixels()

    def close(self) -> None:
        """Let go of the pixels."""
        with self._lock:
            self._closed = True
            self._image = None


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    with path.open("rb") as file:
        yield _identify(file)


def _identify(file: BinaryIO) -> Image.Image:
    """Open an image with PIL's decompression-bomb limit off: slides are that large, and memory is checked instead.

    The limit is a global of PIL that is looked at while opening, so it is put back at once.

    Raises:
        NotAnImageError: see there.
    """
    with _open_lock, warnings.catch_warnings():
        # PIL warns about the metadata of broken files; what matters of it comes as an error, here or when decoding.
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(file, formats=_FORMATS)
            pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        except Exception as problem:
            raise NotAnImageError from problem
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    if pages > 1:
        raise NotAnImageError
    return image
