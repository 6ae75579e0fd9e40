"""Open any slide: by the plugin that claims its suffix, else OpenSlide, other TIFFs, flat images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.core.errors import DataError
from harness.slides.base import NotThisFormatError, SlideReader
from harness.slides.reader_registry import built_in_readers, reader_for

__all__ = ["SlideReader", "open_slide"]


def open_slide(path: Path, *, mpp: float | None = None) -> SlideReader:
    """Open a slide.

    Args:
        path: a slide file, a DICOM folder (or any one file of it), or a flat TIFF, JPEG or PNG.
        mpp: microns per pixel of level 0, for a slide that does not say. The file's own resolution goes first.

    Returns:
        A reader, to be closed after use (it is a context manager).

    Raises:
        DataError: missing, a pointer to content that was not fetched, broken, no slide, or a slide whose pixels
            cannot be shown as 8-bit RGB. A slide without a resolution does open; what needs the resolution raises
            then (``SlideReader.need_mpp``).
        ValueError: ``mpp`` is not a positive number.
    """
    from harness.slides.intact import check_present

    path = Path(path)
    check_present(path)
    if (claims := reader_for(path)) is not None:
        return _made(claims, path, mpp)
    problem: Exception | None = None
    for reader in built_in_readers():
        try:
            return _made(reader, path, mpp)
        except NotThisFormatError as other:
            problem = other
    raise DataError(
        "the file is not a slide: no reader knows its format",
        place=str(path),
        fix="check that the download is complete, or leave it out; bench plugins list readers shows what there is",
    ) from problem


def _made(reader: type[SlideReader], path: Path, mpp: float | None) -> SlideReader:
    make: Callable[..., SlideReader] = reader  # its constructor takes these, unlike that of the base
    return make(path, mpp=mpp)
