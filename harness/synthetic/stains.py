"""Haematoxylin and eosin: from amounts of dye to colour by the law of Beer and Lambert.

The optical density of a pixel is the sum over dyes of amount × absorption of the dye in red, green and blue; the
light that comes through is ``white · exp(-density)`` (Ruifrok and Johnston, "Quantification of histochemical staining
by color deconvolution", Anal Quant Cytol Histol 23, 2001). The two absorptions are the reference stain matrix in
common use with Macenko et al., "A method for normalizing histology slides for quantitative analysis", ISBI 2009; they
vary from slide to slide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.synthetic.noise import Field

_HAEMATOXYLIN = (0.5626, 0.7201, 0.4062)
_EOSIN = (0.2159, 0.8012, 0.5581)
_STEPS = 256
_MAX_AMOUNT = 2.5


@dataclass(frozen=True)
class Lab:
    """How the laboratory and scanner of one centre colour their slides on average.

    Attributes:
        haematoxylin, eosin: strength of the dye, 1 is usual.
        hue: how far eosin leans towards haematoxylin (purple slides) or away from it.
        white: background (red, green, blue), 0 to 255.
    """

    haematoxylin: float
    eosin: float
    hue: float
    white: tuple[float, float, float]


LABS: dict[str, Lab] = {
    "RUMC": Lab(haematoxylin=1.10, eosin=0.90, hue=0.16, white=(243.0, 241.0, 244.0)),
    "UMCU": Lab(haematoxylin=0.92, eosin=1.12, hue=0.02, white=(238.0, 236.0, 232.0)),
}


@dataclass(frozen=True)
class Stain:
    """The stain of one slide: optical density per amount of each dye, (2, 3), and the background colour, (3,)."""

    density: NDArray[np.float64]
    white: NDArray[np.float64]


def slide_stain(rng: np.random.Generator, center: str) -> Stain:
    """The stain of one slide: that of its centre, varied about as much as two centres differ."""
    lab = LABS[center]
    hue = lab.hue + rng.normal(0, 0.05)
    eosin = np.array(_EOSIN) * (1 - hue) + np.array(_HAEMATOXYLIN) * hue
    haematoxylin = np.array(_HAEMATOXYLIN) + rng.normal(0, 0.03, 3)
    strengths = np.array([lab.haematoxylin, lab.eosin]) * np.exp(rng.normal(0, 0.14, 2))
    density = np.stack([haematoxylin, np.maximum(eosin, 0.02)]) * strengths[:, None]
    white = np.array(lab.white) + rng.normal(0, 2.0) + rng.normal(0, 1.0, 3)
    return Stain(density=density, white=np.clip(white, 225, 250))


def develop(haematoxylin: Field, eosin: Field, stain: Stain) -> NDArray[np.uint8]:
    """Colours of a slide.

    Args:
        haematoxylin, eosin: amount of each dye per pixel, (height, width), 0 is none; below 0 counts as 0.
        stain: the slide's stain.

    Returns:
        RGB, (height, width, 3).
    """
    # A table over both amounts: exact to a grey level, and the same bytes whatever exp() the processor has.
    amounts = np.linspace(0, _MAX_AMOUNT, _STEPS)
    pairs = np.stack(np.meshgrid(amounts, amounts, indexing="ij"), axis=-1)
    table = np.rint(stain.white * np.exp(-pairs @ stain.density)).astype(np.uint8).reshape(-1, 3)
    index = _steps(haematoxylin) * np.int32(_STEPS) + _steps(eosin)
    return np.take(table, index, axis=0)


def _steps(amount: Field) -> NDArray[np.int32]:
    scaled = amount * np.float32((_STEPS - 1) / _MAX_AMOUNT)
    np.clip(scaled, 0, _STEPS - 1, out=scaled)
    return scaled.astype(np.int32)
