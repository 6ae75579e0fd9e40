from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import DataError
from harness.datasets.annotations import Annotations, mask, read_asap, tile_labels

SQUARE = np.array([[100.0, 200.0], [300.0, 200.0], [300.0, 500.0], [100.0, 500.0]])


def _xml(*annotations: tuple[str, str]) -> str:
    body = "".join(
        f'<Annotation Name="a" Type="Polygon" PartOfGroup="{group}" Color="#F4FA58">'
        f"<Coordinates>{points}</Coordinates></Annotation>"
        for group, points in annotations
    )
    return (
        f'<?xml version="1.0"?>\n<ASAP_Annotations><Annotations>{body}</Annotations>'
        '<AnnotationGroups><Group Name="_0" PartOfGroup="None" Color="#00ff00"><Attributes /></Group>'
        "</AnnotationGroups></ASAP_Annotations>"
    )


def _points(corners: np.ndarray, order: list[int] | None = None) -> str:
    numbers = order or list(range(len(corners)))
    return "".join(f'<Coordinate Order="{i}" X="{corners[i][0]}" Y="{corners[i][1]}" />' for i in numbers)


def _write(folder: Path, text: str) -> Path:
    path = folder / "tumor_001.xml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("group", ["_0", "_1", "Tumor", "metastases"])
def test_lesion_groups_of_all_releases_are_positive(group: str, tmp_path: Path) -> None:
    read = read_asap(_write(tmp_path, _xml((group, _points(SQUARE)))))
    assert (read.positive[0] == SQUARE).all() and not read.negative


@pytest.mark.parametrize("group", ["_2", "Exclusion", "None", "normal"])
def test_what_is_cut_out_is_negative(group: str, tmp_path: Path) -> None:
    read = read_asap(_write(tmp_path, _xml((group, _points(SQUARE)))))
    assert (read.negative[0] == SQUARE).all() and not read.positive


def test_corners_are_put_in_their_order_and_points_that_enclose_nothing_are_left_out(tmp_path: Path) -> None:
    text = _xml(("_0", _points(SQUARE, [2, 0, 3, 1])), ("_0", _points(SQUARE[:1])), ("_2", _points(SQUARE[:2])))
    read = read_asap(_write(tmp_path, text))
    assert len(read.positive) == 1 and not read.negative
    assert (read.positive[0] == SQUARE).all()


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><ASAP_Annotations>&c;</ASAP_Annotations>'
)
FILE = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
    "<ASAP_Annotations><Annotations>&a;</Annotations></ASAP_Annotations>"
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BOMB, "document type"),
        (FILE, "document type"),
        ("", "not well-formed"),
        ("<ASAP_Annotations><Annotations>", "not well-formed"),
        ("<html></html>", "no ASAP_Annotations"),
        (_xml(("necrosis", _points(SQUARE))), "group 'necrosis'"),
        (_xml(("_0", '<Coordinate Order="0" X="one" Y="2" />')), "without a number"),
        (_xml(("_0", '<Coordinate Order="0" Y="2" />')), "without a number"),
        (_xml(("_0", '<Coordinate Order="0" X="nan" Y="2" />')), "not finite"),
        (_xml(("_0", '<Coordinate Order="0" X="1e999" Y="2" />')), "not finite"),
    ],
)
def test_a_file_that_is_not_what_asap_writes_is_refused_by_name(text: str, problem: str, tmp_path: Path) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(DataError, match=problem) as caught:
        read_asap(path)
    assert caught.value.place == str(path)


@pytest.mark.parametrize("encoding", ["nonsense", "shift_jis", "utf-16"])
def test_an_encoding_that_the_parser_has_not_is_refused(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(f'<?xml version="1.0" encoding="{encoding}"?><ASAP_Annotations/>')
    with pytest.raises(DataError, match="not well-formed"):
        read_asap(path)


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.xml")
    with pytest.raises(DataError, match="named pipe"):
        read_asap(tmp_path / "a.xml")


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_asap(tmp_path / "none.xml")


def _exact(x0: float, y0: float, side: float) -> float:
    """Share of a square that lies in SQUARE."""
    width = min(x0 + side, 300) - max(x0, 100)
    height = min(y0 + side, 500) - max(y0, 200)
    return max(width, 0) * max(height, 0) / side**2


def test_tile_labels_are_the_covered_shares() -> None:
    coords = np.array([(x, y) for y in range(0, 640, 37) for x in range(0, 448, 37)], np.int64)
    shares = tile_labels(coords, 64, Annotations((SQUARE,)))
    exact = np.array([_exact(x, y, 64) for x, y in coords])
    assert shares.dtype == np.float32
    # A border may be off by about a cell, which is a sixteenth of a tile.
    assert np.abs(shares - exact).max() < 0.13
    assert np.abs(shares - exact).mean() < 0.015
    assert set(shares[exact == 1]) == {1.0}
    assert set(shares[exact == 0]) <= {0.0, np.float32(1 / 16)}


def test_tile_labels_agree_with_the_mask_of_each_tile() -> None:
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    reach = 400 * (1 + 0.3 * np.sin(3 * angle))
    lesion = np.stack([1000 + reach * np.cos(angle), 900 + reach * np.sin(angle)], axis=1)
    hole = 1000 + 0.3 * (lesion - 1000)
    annotations = Annotations((lesion,), (hole,))
    coords = rng.integers(400, 1500, (200, 2))
    shares = tile_labels(coords, 100, annotations)
    direct = [mask(annotations, x, y, 100, 64).mean() for x, y in coords]
    assert np.abs(shares - direct).max() < 0.1
    assert np.std(direct) > 0.2


def test_mask_has_area_place_and_hole() -> None:
    hole = np.array([[150.0, 250.0], [250.0, 250.0], [250.0, 350.0], [150.0, 350.0]])
    image = mask(Annotations((SQUARE,), (hole,)), 0, 0, 600, 600)
    assert abs(image.sum() - (200 * 300 - 100 * 100)) < 1200
    assert image[210, 110] and image[490, 290] and not image[300, 200]
    assert not image[110, 210]


def test_overlapping_lesions_count_once() -> None:
    other = SQUARE + np.array([50.0, 0.0])
    assert mask(Annotations((SQUARE, other)), 100, 200, 200, 64).all()
    assert tile_labels(np.array([[150, 300]]), 64, Annotations((SQUARE, other)))[0] == 1


def test_without_lesions_nothing_is_covered() -> None:
    coords = np.array([[0, 0], [100, 100]], np.int64)
    assert tile_labels(coords, 64, Annotations(())).tolist() == [0, 0]
    assert tile_labels(coords, 64, Annotations((), (SQUARE,))).tolist() == [0, 0]
    assert tile_labels(coords[:0], 64, Annotations((SQUARE,))).shape == (0,)
    assert Annotations(()).bounds is None


def test_a_lesion_far_larger_than_a_tile_does_not_need_a_raster_of_its_size() -> None:
    huge = SQUARE * 1000
    shares = tile_labels(np.array([[150_000, 300_000], [0, 0]]), 64, Annotations((huge,)))
    assert shares.tolist() == [1, 0]


def test_real_outlines_cover_the_area_that_was_measured(shared: Path) -> None:
    """Area of the public outlines of one CAMELYON16 test slide, against the sum over a grid of tiles."""
    import gzip
    import json

    with gzip.open(shared / "datasets/labels/camelyon16/camelyon16_lesion_polygons.json.gz", "rt") as file:
        slide = json.load(file)["test_001"]
    lesions = tuple(np.array(outline, float) for outline in slide["positive"])
    annotations = Annotations(lesions, tuple(np.array(outline, float) for outline in slide["negative"]))
    assert annotations.bounds is not None
    left, top, right, bottom = annotations.bounds
    grid = np.mgrid[int(top) - 512 : int(bottom) + 512 : 512, int(left) - 512 : int(right) + 512 : 512]
    coords = np.stack([grid[1].ravel(), grid[0].ravel()], axis=1)
    area = float(tile_labels(coords, 512, annotations).sum()) * 512**2
    exact = sum(
        abs(float(np.sum(o[:, 0] * np.roll(o[:, 1], -1) - np.roll(o[:, 0], -1) * o[:, 1]))) / 2 for o in lesions
    )
    assert area == pytest.approx(exact, rel=0.05)
