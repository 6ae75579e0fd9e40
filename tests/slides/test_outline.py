"""Outlines of a mask: along the edges of its pixels, with holes, in the units that are wanted."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path

from harness.slides.outline import outlines


def test_a_rectangle_is_as_large_as_its_pixels():
    mask = np.zeros((10, 12), bool)
    mask[2:5, 3:9] = True
    ((ring,),) = outlines(mask, (4.0, 2.0))
    corners = np.array(ring)
    assert np.array_equal(corners[0], corners[-1])
    assert corners.min(axis=0).tolist() == pytest.approx([12, 4], abs=2)
    assert corners.max(axis=0).tolist() == pytest.approx([36, 10], abs=2)


def test_pieces_and_holes_enclose_what_the_mask_does():
    mask = np.zeros((40, 40), bool)
    mask[2:20, 2:20] = True
    mask[8:14, 8:14] = False
    mask[25:38, 0:10] = True
    first, second = outlines(mask, (1.0, 1.0))
    assert (len(first), len(second)) == (2, 1)
    rows, columns = np.indices(mask.shape)
    middles = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], 1)
    outer, hole, other = (Path(ring).contains_points(middles) for ring in (*first, *second))
    assert ((outer & ~hole | other).reshape(mask.shape) == mask).mean() > 0.99
    assert outlines(np.zeros((3, 3), bool), (1.0, 1.0)) == []
