"""Everything that a slide's file states about its resolution, by the property that states it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from harness.slides.ome import MICRONS, ome_pixels

_MICRONS_PER_UNIT = {"inch": 25400.0, "centimeter": 10000.0}
_APERIO_MPP = re.compile(r"\|\s*MPP\s*=\s*([^|\s]+)", re.IGNORECASE)


class Stated(NamedTuple):
    """Microns per pixel, across and down, and the property that they come from."""

    source: str
    x: float
    y: float


def stated(properties: Mapping[str, str], size: tuple[int, int] | None = None) -> list[Stated]:
    """All statements of the file, the most specific first.

    Args:
        properties: OpenSlide's properties, or for a TIFF that OpenSlide does not read the same names
            (``tiff.XResolution``, ``tiff.YResolution``, ``tiff.ResolutionUnit``, ``tiff.ImageDescription``).
        size: width and height of level 0. OME-XML may describe several images (label, macro), or be a copy
            from a file of another size: what it says of images of another size is not taken.
    """
    description = properties.get("tiff.ImageDescription", "")
    found = []
    if pair := _pair(properties, "openslide.mpp-x", "openslide.mpp-y"):
        found.append(Stated("openslide.mpp-x", *pair))
    found += _ome(description, size)
    found += _imagej(properties, description)
    found += _aperio(properties, description)
    return found + _tags(properties) + _volume(properties)


def number(text: str | None) -> float | None:
    """A finite number, also one written with a decimal comma as in some scanners' locales; else None."""
    try:
        value = float((text or "").strip().replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _pair(properties: Mapping[str, str], x_name: str, y_name: str) -> tuple[float, float] | None:
    x, y = number(properties.get(x_name)), number(properties.get(y_name))
    if x is None and y is None:
        return None
    return (x if x is not None else y or 0.0), (y if y is not None else x or 0.0)


def _tags(properties: Mapping[str, str]) -> list[Stated]:
    pair = _pair(properties, "tiff.XResolution", "tiff.YResolution")
    microns = _MICRONS_PER_UNIT.get(properties.get("tiff.ResolutionUnit", "inch"))
    if pair is None or microns is None or min(pair) <= 0:
        return []
    return [Stated("tiff.XResolution", microns / pair[0], microns / pair[1])]


def _ome(description: str, size: tuple[int, int] | None) -> list[Stated]:
    for pixels in ome_pixels(description):
        if size is not None and (pixels.width, pixels.height) != size:
            continue
        x = pixels.size_x if pixels.size_x is not None else pixels.size_y
        y = pixels.size_y if pixels.size_y is not None else pixels.size_x
        if x is not None and y is not None:
            return [Stated("ome.PhysicalSizeX", x, y)]
    return []


def _imagej(properties: Mapping[str, str], description: str) -> list[Stated]:
    """ImageJ writes pixels per unit into the resolution tags, and the unit into the description."""
    pair = _pair(properties, "tiff.XResolution", "tiff.YResolution")
    if not description.startswith("ImageJ=") or pair is None or min(pair) <= 0:
        return []
    lines = dict(line.strip().partition("=")[::2] for line in description.splitlines())
    microns = MICRONS.get(lines.get("unit", "").strip().lower())
    return [] if microns is None else [Stated("imagej.unit", microns / pair[0], microns / pair[1])]


def _aperio(properties: Mapping[str, str], description: str) -> list[Stated]:
    text = properties.get("aperio.MPP")
    if text is None and description.lstrip().startswith("Aperio") and (hit := _APERIO_MPP.search(description)):
        text = hit[1]
    value = number(text)
    return [] if value is None else [Stated("aperio.MPP", value, value)]


def _volume(properties: Mapping[str, str]) -> list[Stated]:
    """DICOM states the millimetres that all pixels cover, besides the pixel spacing that OpenSlide takes."""
    microns = []
    for length, pixels in (("Width", "Columns"), ("Height", "Rows")):
        millimetres = number(properties.get(f"dicom.ImagedVolume{length}"))
        count = number(properties.get(f"dicom.TotalPixelMatrix{pixels}"))
        if millimetres is None or not count or count < 0:
            return []
        microns.append(1000 * millimetres / count)
    return [Stated("dicom.ImagedVolumeWidth", microns[0], microns[1])]
