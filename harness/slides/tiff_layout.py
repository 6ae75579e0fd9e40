"""What a TIFF holds: which page is the slide, how its pixels are stored, and what its tags state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.slides.intact import check_whole, opened_tiff, pages_of
from harness.slides.ome import ome_pixels
from harness.slides.tiff_pixels import refusal, stored_as_usual

if TYPE_CHECKING:
    import tifffile

_UNITS = {1: "none", 2: "inch", 3: "centimeter"}
_ROTATED = (5, 6, 7, 8)
_REDUCED, _MASK = 1, 4
_SIMILAR = 0.5


@dataclass(frozen=True)
class TiffLayout:
    """The page of a TIFF that is the slide.

    Attributes:
        page: its number among the pages. Other pages are pyramid levels, thumbnails, labels or macro images.
        width, height: its pixels, after the orientation tag has been applied.
        orientation: value of the orientation tag, 1 (as stored) to 8.
        bits: bits per sample.
        usual: whether OpenSlide's generic reader shows these pixels as they are meant.
        refusal: why the pixels cannot be shown as 8-bit RGB; empty where they can.
        stack: why no single page is the slide (channels, focal planes, scenes); empty where one is.
        properties: its tags under OpenSlide's names, for ``harness.slides.resolution.find_resolution``.
    """

    page: int
    width: int
    height: int
    orientation: int
    bits: int
    usual: bool
    refusal: str
    stack: str
    properties: dict[str, str]


def read_layout(path: Path) -> TiffLayout | None:
    """The layout of a TIFF; None where the file is none, or cannot be parsed.

    Raises:
        DataError: the file is shorter than its own tables say.
    """
    with opened_tiff(path) as tiff:
        if tiff is None:
            return None
        try:
            return _layout([page for page in pages_of(tiff) if page.imagewidth and page.imagelength])
        except Exception:
            check_whole(path)
            return None


def _layout(pages: list[tifffile.TiffPage]) -> TiffLayout | None:
    if not pages:
        return None
    whole = [page for page in pages if not page.subfiletype & (_REDUCED | _MASK)] or pages
    main = max(whole, key=_area)
    orientation = _whole_tag(main, 274, 1)
    orientation = orientation if 1 <= orientation <= 8 else 1
    width, height = main.imagewidth, main.imagelength
    if orientation in _ROTATED:
        width, height = height, width
    similar = sum(_area(page) > _SIMILAR * _area(main) for page in whole)
    description = main.description or pages[0].description
    return TiffLayout(
        page=main.index,
        width=width,
        height=height,
        orientation=orientation,
        bits=main.bitspersample,
        usual=orientation == 1 and stored_as_usual(main),
        refusal=refusal(main),
        stack=_stack(main, similar, description),
        properties=_properties(main, description),
    )


def _area(page: tifffile.TiffPage) -> int:
    return page.imagewidth * page.imagelength


def _stack(main: tifffile.TiffPage, similar: int, description: str) -> str:
    planes = max(similar, main.imagedepth)
    if description.startswith("ImageJ="):
        lines = dict(line.strip().partition("=")[::2] for line in description.splitlines())
        images = lines.get("images", "")
        planes = max(planes, int(images) if images.isascii() and images.isdigit() else 1)
    for image in ome_pixels(description):
        if (image.width, image.height) == (main.imagewidth, main.imagelength):
            planes = max(planes, -(-image.planes // main.samplesperpixel))
            break
    if planes <= 1:
        return ""
    return f"the file holds {planes} images of one size (channels, focal planes or scenes), not one colour image"


def _properties(main: tifffile.TiffPage, description: str) -> dict[str, str]:
    found = {"tiff.ImageDescription": description} if description else {}
    for name, code in (("XResolution", 282), ("YResolution", 283)):
        tag = main.tags.get(code)
        value = tag.value if tag is not None else None
        if isinstance(value, tuple) and len(value) == 2 and value[1]:
            found[f"tiff.{name}"] = repr(value[0] / value[1])
    found["tiff.ResolutionUnit"] = _UNITS.get(_whole_tag(main, 296, 2), "none")
    return found


def _whole_tag(page: tifffile.TiffPage, code: int, default: int) -> int:
    tag = page.tags.get(code)
    return int(tag.value) if tag is not None and isinstance(tag.value, int) else default
