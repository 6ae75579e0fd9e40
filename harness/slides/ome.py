"""OME-XML, the metadata that OME-TIFF files carry in their ImageDescription."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree import ElementTree

MICRONS = {
    "nm": 1e-3,
    "um": 1.0,
    "\u00b5m": 1.0,
    "\u03bcm": 1.0,
    "\u00c2\u00b5m": 1.0,
    "\\u00b5m": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "\u00e5": 1e-4,
    "inch": 25400.0,
    "inches": 25400.0,
    "in": 25400.0,
}
"""Microns per unit of length, by its lower-case name in OME-XML and ImageJ files."""


@dataclass(frozen=True)
class OmePixels:
    """One image of an OME-XML document.

    Attributes:
        width, height: pixels across and down.
        planes: channels x focal planes x time points, where an RGB image counts three channels.
        size_x, size_y: microns per pixel; None where not stated in a unit of length.
    """

    width: int
    height: int
    planes: int
    size_x: float | None
    size_y: float | None


def ome_pixels(description: str) -> list[OmePixels]:
    """The images that an OME-XML description lists; none where it is something else, or damaged."""
    # Entities, which could expand without limit, need a DOCTYPE; OME-XML has none.
    if "OME" not in description[:5000] or "<!doctype" in description.lower():
        return []
    try:
        root = ElementTree.fromstring(description.strip("\x00 \r\n\t"))
    except (ElementTree.ParseError, ValueError):
        return []
    found = []
    for element in root.iter():
        if element.tag.rpartition("}")[2] == "Pixels":
            planes = math.prod(_whole(element, name, 1) for name in ("SizeC", "SizeZ", "SizeT"))
            size_x, size_y = (_microns(element, f"PhysicalSize{axis}") for axis in "XY")
            found.append(OmePixels(_whole(element, "SizeX", 0), _whole(element, "SizeY", 0), planes, size_x, size_y))
    return found


def _whole(element: ElementTree.Element, name: str, default: int) -> int:
    text = element.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else default


def _microns(element: ElementTree.Element, name: str) -> float | None:
    # The schema's default unit is the micrometre.
    factor = MICRONS.get(element.get(f"{name}Unit", "um").strip().lower())
    try:
        value = float(element.get(name, ""))
    except ValueError:
        return None
    return value * factor if factor is not None and math.isfinite(value) else None
