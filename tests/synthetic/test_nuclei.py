from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from harness.synthetic.nuclei import KINDS, make_bank, scatter, stamp


def _areas(kind: str, mpp: float = 0.5) -> np.ndarray:
    """Areas of the nuclei of a bank in square microns."""
    dye = make_bank(np.random.default_rng(0), KINDS[kind], 60, mpp).dye
    return (dye > 0.25 * KINDS[kind].dye).sum(axis=(1, 2)) * mpp**2


def test_nuclei_have_the_size_that_is_asked_for_at_any_resolution() -> None:
    for kind in ("lymphocyte", "centroblast", "tumour"):
        expected = np.pi * KINDS[kind].radius ** 2
        for mpp in (0.25, 0.5):
            assert abs(_areas(kind, mpp).mean() / expected - 1) < 0.2


def test_tumour_nuclei_are_the_largest_and_the_most_uneven() -> None:
    areas = {kind: _areas(kind) for kind in KINDS}
    largest = max(areas, key=lambda kind: areas[kind].mean())
    uneven = max(areas, key=lambda kind: areas[kind].std() / areas[kind].mean())
    assert (largest, uneven) == ("tumour", "tumour")


def test_a_bank_holds_each_nucleus_in_eight_orientations() -> None:
    dye = make_bank(np.random.default_rng(0), KINDS["tumour"], 5, 0.5).dye
    assert len(dye) == 40
    assert (dye[5:10] == np.rot90(dye[:5], axes=(1, 2))).all()
    assert len({picture.tobytes() for picture in dye}) == 40


def test_scattered_points_fill_the_field_and_keep_their_distance() -> None:
    points = scatter(np.random.default_rng(0), (300.0, 500.0), 8.0)
    assert (points >= 0).all()
    assert (points < (300, 500)).all()
    assert abs(len(points) * 8.0**2 * np.sqrt(3) / 2 / (300 * 500) - 1) < 0.05
    nearest = cKDTree(points).query(points, k=2)[0][:, 1]
    assert 4 < np.median(nearest) < 8


def test_stamping_over_the_border_keeps_what_is_inside() -> None:
    pictures = np.arange(1, 10, dtype=np.float32).reshape(1, 3, 3)
    canvas = np.zeros((5, 5), np.float32)
    stamp(canvas, pictures, np.array([[0, 0], [4, 4], [2, 2], [-9, 50]]), np.zeros(4, np.int64))
    wide = np.zeros((9, 9), np.float32)
    for y, x in ((0, 0), (4, 4), (2, 2)):
        view = wide[y + 1 : y + 4, x + 1 : x + 4]
        np.maximum(view, pictures[0], out=view)
    assert (canvas == wide[2:7, 2:7]).all()


def test_stamps_add_up_on_request() -> None:
    canvas = np.ones((3, 3), np.float32)
    stamp(canvas, np.full((1, 1, 1), 2, np.float32), np.array([[1, 1], [1, 1]]), np.zeros(2, np.int64), add=True)
    assert canvas[1, 1] == 5
    assert canvas.sum() == 13
