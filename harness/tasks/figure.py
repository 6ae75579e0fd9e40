"""Figures in the house style: axes at fixed places, colours, and the bytes of a PNG."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 110
INK, FAINT, MAIN = "#22272e", "#8a939e", "#2b5c8a"
_COLOURS = (MAIN, "#d2703a", "#3f9270", "#8c62a6", "#c49a2c", "#5ba3c7", "#b5495b", "#6b7178")
_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # names are text, whatever signs are in them
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.titley": 1.0,  # a fixed place: finding one that is free measures every tick label again
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8ebef",
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


@contextmanager
def axes_at(
    size: tuple[float, float], boxes: Sequence[tuple[float, float, float, float]]
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure in the house style, outside pyplot's registry, with axes at fixed places.

    Automatic layouts draw everything twice; with a figure per unit that is most of the time.

    Args:
        size: width and height in inches.
        boxes: left, bottom, width and height of each axes in inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.style import context

    width, height = size
    with context(["default", _STYLE]):  # whatever the user or another library has set
        figure = Figure(figsize=size, facecolor="white")
        FigureCanvasAgg(figure)
        axes = [figure.add_axes((x / width, y / height, w / width, h / height)) for x, y, w, h in boxes]
        yield figure, axes


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def palette(count: int) -> list[Any]:
    """As many colours that can be told apart."""
    if count <= len(_COLOURS):
        return list(_COLOURS[:count])
    import seaborn as sns

    return list(sns.husl_palette(count, s=0.7, l=0.55))


def short(name: str) -> str:
    """A name for a legend."""
    name = name.lstrip("_")  # matplotlib leaves labels with a leading underscore out of the legend
    return name if len(name) <= 18 else f"{name[:17]}…"
