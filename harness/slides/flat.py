"""Slides of one level that are decoded whole into memory."""

from __future__ import annotations

import threading
from abc import abstractmethod
from pathlib import Path

import psutil
from PIL import Image

from harness.core.errors import DataError
from harness.slides.base import NotThisFormatError, SlideReader
from harness.slides.intact import check_whole

_BYTES_PER_PIXEL = 4


class FlatReader(SlideReader):
    """A flat image, decoded at the first read; see ``SlideReader``. Subclasses say how to decode it."""

    def __init__(self, path: Path, *, mpp: float | None = None) -> None:
        if path.is_dir():
            raise NotThisFormatError
        check_whole(path)
        self.path = path
        self.declared_mpp = mpp
        self.level_downsamples = (1.0,)
        self.objective_power = None
        self._image: Image.Image | None = None
        self._lock = threading.Lock()
        self._closed = False

    @abstractmethod
    def _decode(self) -> Image.Image:
        """The whole image, RGB."""

    def _pixels(self) -> Image.Image:
        with self._lock:
            if self._closed:
                raise ValueError(f"read from a closed slide: {self.path}")
            if self._image is None:
                self._check_memory()
                self._image = self._decoded()
            return self._image

    def _decoded(self) -> Image.Image:
        try:
            return self._decode()
        except DataError:
            raise
        except Exception as problem:
            raise DataError(
                f"the image cannot be decoded: {' '.join(str(problem).split())}",
                place=str(self.path),
                fix="download it again, or leave it out",
            ) from problem

    def _check_memory(self) -> None:
        needed, free = self.width * self.height * _BYTES_PER_PIXEL, psutil.virtual_memory().available
        if needed > 0.8 * free:
            raise DataError(
                f"the image needs {needed / 2**30:.1f} GiB of memory, {free / 2**30:.1f} GiB are free",
                place=str(self.path),
                fix="use fewer workers, or convert it to a tiled pyramidal TIFF",
            )

    def region(self, x0: int, y0: int, level: int, width: int, height: int) -> Image.Image:
        """See ``SlideReader.region``."""
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
