"""Open any slide: OpenSlide first, then TIFFs that it does not read, then flat images."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import DataError
from harness.slides.base import SlideReader

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
    import openslide

    from harness.slides.intact import check_present
    from harness.slides.openslide_reader import OpenSlideReader, UnreadByOpenSlideError

    path = Path(path)
    check_present(path)
    try:
        return OpenSlideReader(path, mpp=mpp)
    except (openslide.OpenSlideUnsupportedFormatError, UnreadByOpenSlideError) as problem:
        return _open_flat(path, mpp, problem)


def _open_flat(path: Path, mpp: float | None, problem: Exception) -> SlideReader:
    from harness.slides.intact import check_whole
    from harness.slides.plain_reader import NotAnImageError, PlainReader
    from harness.slides.tiff_reader import NotATiffError, TiffReader

    try:
        if path.is_dir():
            raise NotAnImageError from problem
        check_whole(path)
        try:
            return TiffReader(path, mpp=mpp)
        except NotATiffError:
            return PlainReader(path, mpp=mpp)
    except NotAnImageError:
        raise DataError(
            "the file is not a slide: neither OpenSlide nor the image reader knows its format",
            place=str(path),
            fix="check that the download is complete, or leave it out",
        ) from problem
