"""A heatmap for people: the picture is where the weights are, and its scale bar is of a round length."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from harness.results.heatmap_figure import heatmap_figure, length_text, round_length

pytestmark = pytest.mark.usefixtures("painted")


@pytest.mark.parametrize(("about", "length"), [(1, 1), (1.99, 1), (2, 2), (999, 500), (0.07, 0.05), (12_345, 10_000)])
def test_the_scale_bar_has_a_round_length(about, length):
    assert round_length(about) == pytest.approx(length)


def test_lengths_are_told_in_their_unit():
    assert (length_text(500), length_text(2000)) == ("500 µm", "2 mm")


@pytest.mark.parametrize("mpp", [None, 0.5])
def test_the_tile_with_the_weight_is_red_without_a_slide_too(mpp):
    coords = 1000 + 512 * np.stack(np.divmod(np.arange(9), 3), 1)
    weights = np.where(np.arange(9) == 8, 0.92, 0.01)
    picture = Image.open(io.BytesIO(heatmap_figure(coords, 512, weights, title="a", mpp=mpp))).convert("RGB")
    pixels = np.asarray(picture, int)
    red = (pixels[..., 0] > 120) & (pixels[..., 0] > 1.8 * pixels[..., 1]) & (pixels[..., 0] > 1.8 * pixels[..., 2])
    rows, columns = np.nonzero(red[:, : int(0.8 * red.shape[1])])  # the colour bar is on the right
    assert len(rows) > 1000
    assert rows.mean() > 0.55 * red.shape[0] and columns.mean() > 0.4 * red.shape[1]
