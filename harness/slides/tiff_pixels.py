"""The pixels of a TIFF page as 8-bit RGB, or why they cannot be shown so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    import tifffile

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _SEPARATED, _YCBCR = 0, 1, 2, 3, 5, 6
_UNSIGNED, _UNDEFINED = 1, 4
_ASSOCIATED, _UNASSOCIATED = 1, 2
_CMYK_INKS = 1
_JPEG = (6, 7, 34892)
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _SEPARATED: 4, _YCBCR: 3}
"""Photometric interpretations that can be shown, and their samples per pixel without extra ones."""

_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What the orientation tag asks for."""


def refusal(page: tifffile.TiffPage) -> str:
    """Why the page cannot be shown as 8-bit RGB; empty where it can.

    Deeper pixels could be scaled down, but by which factor no tag says: 12-bit cameras store 12 bits in 16.
    """
    bits, samples, photometric = page.bitspersample, page.samplesperpixel, _photometric(page)
    if page.sampleformat not in (_UNSIGNED, _UNDEFINED):
        return f"its pixels are {bits}-bit {'floating-point' if page.sampleformat == 3 else 'signed'} numbers"
    if photometric not in _COLOURS:
        name = getattr(page.photometric, "name", page.photometric)
        return f"its colours are stored as {name} (photometric interpretation {photometric})"
    small = bits in (1, 2, 4) and _COLOURS[photometric] == 1 and samples == 1
    if bits != 8 and not small:
        return f"its pixels have {bits} bits per channel, not 8"
    extra = samples - _COLOURS[photometric]
    if extra < 0 or extra > 1 or (extra == 1 and _COLOURS[photometric] == 1 and not _alpha(page)):
        return f"its pixels have {samples} channels, which are no colours"
    if photometric == _YCBCR and int(page.compression) not in _JPEG:
        return "its colours are stored as YCbCr without JPEG compression"
    if photometric == _SEPARATED and (_inks(page) != _CMYK_INKS or extra or int(page.compression) in _JPEG):
        return "its colours are stored as inks other than plain CMYK"
    return ""


def stored_as_usual(page: tifffile.TiffPage) -> bool:
    """Whether OpenSlide, which leaves the colours to libtiff, shows the page as ``page_image`` does.

    It scales 16 bits down blindly, and takes a channel of no stated meaning for transparency.
    """
    extra = page.samplesperpixel - _COLOURS.get(_photometric(page), 0)
    return page.bitspersample <= 8 and (extra == 0 or (extra == 1 and _alpha(page) > 0))


def page_image(page: tifffile.TiffPage, orientation: int) -> Image.Image:
    """The page as an RGB image, transparency shown on white, turned as ``orientation`` (1 to 8) asks."""
    if not all(page.databytecounts):
        raise ValueError("parts of it are not stored in the file")
    values: NDArray[Any] = page.asarray()
    if int(page.planarconfig) == 2 and page.samplesperpixel > 1:
        values = np.moveaxis(values, 0, -1)
    values = values.reshape(page.imagelength, page.imagewidth, -1)
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    if values.dtype != np.uint8:
        raise ValueError(f"pixels of type {values.dtype}")
    image = _colours(page, values)
    return image.transpose(_TURN[orientation]) if orientation in _TURN else image


def _colours(page: tifffile.TiffPage, values: NDArray[np.uint8]) -> Image.Image:
    photometric = _photometric(page)
    count = _COLOURS[photometric]
    colours = values[..., :count]
    if photometric == _PALETTE:
        colours = _palette(page)[colours[..., 0]]
    elif photometric == _SEPARATED:
        return Image.fromarray(np.ascontiguousarray(colours), "CMYK").convert("RGB")
    elif count == 1:
        colours = colours * np.uint8(255 // (2**page.bitspersample - 1))
        colours = 255 - colours if photometric == _WHITE_IS_ZERO else colours
        colours = np.repeat(colours, 3, axis=2)
    if values.shape[2] > count and (alpha := _alpha(page)):
        opacity = values[..., count:]
        if alpha == _ASSOCIATED:
            colours = np.minimum(colours, opacity) + (255 - opacity)
        else:
            picture = Image.new("RGB", (values.shape[1], values.shape[0]), "white")
            picture.paste(Image.fromarray(np.ascontiguousarray(colours)), mask=Image.fromarray(opacity[..., 0]))
            return picture
    return Image.fromarray(np.ascontiguousarray(colours))


def _palette(page: tifffile.TiffPage) -> NDArray[np.uint8]:
    """The colour map, (n, 3). It has 16 bits by the specification; some programs fill only the lower 8."""
    if page.colormap is None:
        raise ValueError("a palette image without its palette")
    table = np.asarray(page.colormap).T
    return (table >> 8 if table.max(initial=0) > 255 else table).astype(np.uint8)


def _photometric(page: tifffile.TiffPage) -> int:
    return -1 if page.photometric is None else int(page.photometric)


def _alpha(page: tifffile.TiffPage) -> int:
    """``_ASSOCIATED``, ``_UNASSOCIATED``, or 0 where the extra channel has no stated meaning."""
    extras = [int(extra) for extra in page.extrasamples]
    return extras[0] if len(extras) == 1 and extras[0] in (_ASSOCIATED, _UNASSOCIATED) else 0


def _inks(page: tifffile.TiffPage) -> int:
    tag = page.tags.get(332)
    return _CMYK_INKS if tag is None else int(tag.value)
