from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from harness.synthetic.anatomy import CELL, METASTASES, Part, rasterise
from harness.synthetic.paint import Painted, paint
from harness.synthetic.stains import LABS, Stain, develop

SIDE, MPP = 1024, 0.5


@pytest.fixture(scope="module")
def tumour() -> Painted:
    return paint(7, side_px=SIDE, mpp=MPP, center="RUMC", metastasis="macro")


@pytest.fixture(scope="module")
def normal() -> Painted:
    return paint(7, side_px=SIDE, mpp=MPP, center="RUMC", metastasis=None)


def _in_pixels(mask: np.ndarray) -> np.ndarray:
    step = int(CELL / MPP)
    return mask.repeat(step, axis=0).repeat(step, axis=1)[:SIDE, :SIDE]


def test_a_slide_is_a_function_of_its_seed(normal: Painted) -> None:
    again = paint(7, side_px=SIDE, mpp=MPP, center="RUMC", metastasis=None)
    other = paint(8, side_px=SIDE, mpp=MPP, center="RUMC", metastasis=None)
    assert (again.image == normal.image).all()
    tissue = _in_pixels((normal.anatomy.depth > 5) & (other.anatomy.depth > 5))
    assert (other.image != normal.image).any(axis=2)[tissue].mean() > 0.95


def test_a_metastasis_changes_nothing_but_the_place_where_it_is(tumour: Painted, normal: Painted) -> None:
    lesion = _in_pixels(rasterise(list(tumour.anatomy.lesions), len(tumour.anatomy.depth)))
    near = ndimage.binary_dilation(lesion, iterations=60)
    same = (tumour.image == normal.image).all(axis=2)
    assert 0.02 < near.mean() < 0.6
    assert same[~near].all()
    assert same[lesion].mean() < 0.1


def test_background_is_white_and_tissue_is_not(normal: Painted) -> None:
    light = normal.image.min(axis=2)
    assert light[_in_pixels(normal.anatomy.depth < -10)].min() > 215
    assert np.median(light[_in_pixels(normal.anatomy.depth > 20)]) < 190


def test_tumour_is_coarser_than_lymphoid_tissue(tumour: Painted) -> None:
    red = tumour.image[..., 0].astype(np.float32)
    fine, coarse = ndimage.gaussian_filter(red, 1), ndimage.gaussian_filter(red, 5)
    coarseness = {}
    for part in (Part.TUMOUR, Part.LYMPHOID):
        area = ndimage.binary_erosion(_in_pixels(tumour.anatomy.part == part), iterations=6)
        coarseness[part] = coarse[area].var() / fine[area].var()
    assert coarseness[Part.TUMOUR] > 1.3 * coarseness[Part.LYMPHOID]


def test_tumour_has_nearly_the_mean_colour_of_its_surroundings(tumour: Painted) -> None:
    parts = {part: _in_pixels(tumour.anatomy.part == part) for part in (Part.TUMOUR, Part.LYMPHOID)}
    colours = {part: tumour.image[mask].mean(axis=0) for part, mask in parts.items()}
    tiles = np.array([tumour.image[y : y + 64, x : x + 64] for y in range(0, SIDE, 64) for x in range(0, SIDE, 64)])
    full = np.array(
        [
            (_in_pixels(tumour.anatomy.part == Part.LYMPHOID)[y : y + 64, x : x + 64]).mean() > 0.7
            for y in range(0, SIDE, 64)
            for x in range(0, SIDE, 64)
        ]
    )
    spread = tiles[full].mean(axis=(1, 2)).std(axis=0)
    assert (np.abs(colours[Part.TUMOUR] - colours[Part.LYMPHOID]) < 2.5 * spread).all()


@pytest.mark.parametrize("kind", ["macro", "micro"])
def test_metastases_cover_the_share_that_their_kind_has(kind: str) -> None:
    low, high = METASTASES[kind].share
    shares = [
        paint(seed, side_px=256, mpp=4.0, center="UMCU", metastasis=kind).anatomy.tumour_share for seed in range(6)
    ]
    # Outlines that lap over the border or over each other lose some.
    assert all(0.4 * low < share < 1.25 * high for share in shares)
    assert len(set(shares)) == 6


def test_parts_of_a_lymph_node_are_all_there_sooner_or_later() -> None:
    seen: set[int] = set()
    for seed in range(8):
        seen |= set(np.unique(paint(seed, side_px=128, mpp=8.0, center="RUMC", metastasis="macro").anatomy.part))
    assert seen == {int(part) for part in Part}


@pytest.mark.parametrize("center", sorted(LABS))
def test_a_centre_colours_tissue_its_own_way_whatever_the_label(center: str) -> None:
    other = next(name for name in LABS if name != center)

    def whites(name: str) -> np.ndarray:
        return np.array([paint(s, side_px=64, mpp=8.0, center=name, metastasis=None).image[0, 0] for s in range(8)])

    assert np.abs(whites(center).mean(axis=0) - whites(other).mean(axis=0)).max() > 3


def test_more_dye_is_darker_and_none_is_background() -> None:
    stain = Stain(density=np.array([[0.6, 0.7, 0.4], [0.2, 0.8, 0.5]]), white=np.array([240.0, 238.0, 236.0]))
    amount = np.linspace(0, 2, 50, dtype=np.float32)[None]
    none = np.zeros_like(amount)
    for colours in (develop(amount, none, stain), develop(none, amount, stain)):
        assert colours[0, 0].tolist() == [240, 238, 236]
        assert (np.diff(colours[0].astype(int), axis=0) <= 0).all()
    expected = stain.white * np.exp(-(0.5 * stain.density[0] + 0.8 * stain.density[1]))
    half = develop(np.full((1, 1), 0.5, np.float32), np.full((1, 1), 0.8, np.float32), stain)[0, 0]
    assert np.abs(half - expected).max() < 2


def test_negative_amounts_count_as_none() -> None:
    stain = Stain(density=np.ones((2, 3)), white=np.full(3, 240.0))
    assert (develop(np.full((2, 2), -3, np.float32), np.zeros((2, 2), np.float32), stain) == 240).all()
