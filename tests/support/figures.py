"""Studies whose figures nobody looks at: they are composed, and written as a PNG of one pixel instead of being painted.

Painting is most of what a small study costs beside its training. Tests that look at pictures ask for the fixture
``painted``.
"""

from __future__ import annotations

import io
from typing import Any

import pytest


def leave_unpainted(patch: pytest.MonkeyPatch) -> None:
    """Until ``patch`` is undone, figures are one pixel each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    patch.setattr(FigureCanvasAgg, "print_png", lambda canvas, target, **_: _write(canvas.figure, target))


def _write(figure: Any, target: Any) -> None:
    from PIL import Image

    if "draw" in vars(figure):  # a tight bounding box: Matplotlib replaces it, to be told of the renderer
        figure.draw(figure.canvas.get_renderer())
    file = io.BytesIO()
    Image.new("RGB", (1, 1), "white").save(file, "png")
    target.write(file.getvalue())
