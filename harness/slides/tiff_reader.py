"""TIFFs that OpenSlide does not read, or not rightly: strips, single channels, turned images, other codecs."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from harness.core.errors import DataError
from harness.slides.base import NotThisFormatError
from harness.slides.flat import FlatReader
from harness.slides.intact import opened_tiff
from harness.slides.resolution import find_resolution
from harness.slides.tiff_layout import TiffLayout, read_layout
from harness.slides.tiff_pixels import page_image


class NotATiffError(NotThisFormatError):
    """The file is no TIFF, or tifffile cannot parse it."""


class TiffReader(FlatReader):
    """The largest page of a TIFF as a slide of one level; see ``FlatReader``."""

    name = "tiff"

    def __init__(self, path: Path, *, mpp: float | None = None) -> None:
        """Open ``path`` without decoding it.

        Raises:
            NotATiffError: not a TIFF.
            DataError: pixels that cannot be shown as 8-bit RGB, or several images of one size.
        """
        super().__init__(path, mpp=mpp)
        layout = read_layout(path)
        if layout is None:
            raise NotATiffError
        refuse_unreadable(path, layout)
        self._page, self._orientation = layout.page, layout.orientation
        self.width, self.height = layout.width, layout.height
        self.vendor = "image/tiff"
        self.resolution = find_resolution(layout.properties, mpp, (self.width, self.height))

    def _decode(self) -> Image.Image:
        with opened_tiff(self.path) as tiff:
            return page_image(tiff.pages[self._page], self._orientation)


def refuse_unreadable(path: Path, layout: TiffLayout) -> None:
    """Refuse what cannot be shown as one 8-bit RGB image.

    Raises:
        DataError: naming what the file holds instead.
    """
    if layout.refusal:
        raise DataError(f"the slide cannot be read: {layout.refusal}", place=str(path), fix="convert it to 8-bit RGB")
    if layout.stack:
        raise DataError(layout.stack, place=str(path), fix="save the image that you mean as a file of its own, in RGB")
