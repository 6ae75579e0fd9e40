"""Flat images (JPEG, PNG, BMP) as slides of one level; their resolution must be declared."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from harness.core.errors import DataError
from harness.slides.base import NotThisFormatError
from harness.slides.flat import FlatReader
from harness.slides.resolution import find_resolution

_FORMATS = ("JPEG", "PNG", "BMP")
_EIGHT_BIT = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
_open_lock = threading.Lock()


class NotAnImageError(NotThisFormatError):
    """The file is no image that PIL knows."""


class PlainReader(FlatReader):
    """A JPEG, PNG or BMP; see ``FlatReader``."""

    name = "plain"

    def __init__(self, path: Path, *, mpp: float | None = None) -> None:
        """Open ``path`` without decoding it.

        Raises:
            NotAnImageError: not an image that PIL knows.
            DataError: more than 8 bits per channel.
        """
        super().__init__(path, mpp=mpp)
        with _opened(path) as image:
            self.width, self.height = image.size
            self.vendor = f"image/{(image.format or 'unknown').lower()}"
            if image.mode not in _EIGHT_BIT:
                raise DataError(
                    f"the image has pixels of kind {image.mode}, not 8 bits per channel",
                    place=str(path),
                    fix="convert it to 8-bit RGB",
                )
        # The dots per inch of a flat image are a default of the program that saved it, so they are not asked.
        self.resolution = find_resolution({}, mpp)

    def _decode(self) -> Image.Image:
        with _opened(self.path) as image:
            if image.mode in {"LA", "PA", "RGBA"} or "transparency" in image.info:
                image = image.convert("RGBA")
                ground = Image.new("RGB", image.size, "white")
                ground.paste(image, mask=image.getchannel("A"))
                return ground
            image.load()
            return image if image.mode == "RGB" else image.convert("RGB")


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
            return Image.open(file, formats=_FORMATS)
        except Exception as problem:
            raise NotAnImageError from problem
        finally:
            Image.MAX_IMAGE_PIXELS = limit
