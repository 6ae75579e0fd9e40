"""Lesion masks: of the slides a method may see, for methods that say they use them, and never of test slides."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from harness import LeakError, Prediction
from harness.bags.slide_reader import SlideTiles
from harness.bags.source import Extent
from harness.bags.tile_source import CachingReader
from harness.slides.grid import side_on_level0
from harness.slides.index import SlideIndex
from harness.slides.scale import Scale
from harness.unit.inputs import TileInputs
from harness.unit.open_slides import _masks
from harness.unit.run_unit import run_unit

ASAP = """<?xml version="1.0"?>
<ASAP_Annotations><Annotations>
<Annotation Name="a" Type="Polygon" PartOfGroup="Tumor" Color="#F4FA58"><Coordinates>
<Coordinate Order="0" X="0" Y="0"/><Coordinate Order="1" X="200" Y="0"/>
<Coordinate Order="2" X="200" Y="50"/><Coordinate Order="3" X="0" Y="50"/>
</Coordinates></Annotation>
</Annotations><AnnotationGroups/></ASAP_Annotations>
"""


class Slides:
    """A reader of slides that hold nothing but their size."""

    scales = (Scale(0.5, 8), Scale(1.0, 8))

    def count(self, slide, scale):
        return 4

    def read(self, slide, scale, rows):
        return np.zeros((len(rows), 8, 8, 3), np.uint8)

    def coords(self, slide, scale):
        return np.zeros((4, 2), np.int64)

    def extent(self, slide):
        return Extent(400, 100, (8, 16))

    def overview(self, slide, side):
        return np.full((side, side, 3), 7, np.uint8)


def test_masks_go_to_the_bags_that_were_asked_for_and_no_others():
    asked = []

    def mask_of(slide, side):
        asked.append(slide)
        return np.ones((side, side), bool)

    inputs = TileInputs(SimpleNamespace(name="toy"), {}, CachingReader(Slides(), 1 << 20), mask_of=mask_of)
    labels = np.zeros(2, np.int64)
    shown = inputs.bags(("a", "b"), labels, masks=True)
    assert shown.mask(1, 4).all()
    assert asked == ["b"]
    with pytest.raises(LeakError, match="slide c"):
        shown._mask_of("c", 4)
    assert inputs.bags(("a",), labels[:1]).mask(0, 4) is None
    assert inputs.bags(("a",), None).mask(0, 4) is None
    with pytest.raises(LeakError, match="sealed"):
        inputs.bags(("a",), None, masks=True)
    assert inputs.bags(("a",), None).thumbnail(0, 5).shape == (3, 5, 5)
    assert inputs.bags(("a",), None).extent(0) == Extent(400, 100, (8, 16))
    assert asked == ["b"]


@pytest.mark.parametrize("needs", [(), ("masks",)])
def test_a_unit_shows_masks_only_to_methods_that_declare_them_and_none_of_test_slides(toy_unit, needs, monkeypatch):
    job, inputs, scorer = toy_unit()
    seen = []

    class Spy(job.method):
        card = dataclasses.replace(job.method.card, needs=needs)

        def fit(self, train, val, run):
            pass

        def predict(self, bags, run):
            return Prediction(bags.ids, np.full((len(bags), 2), 0.5))

    bags = type(inputs).bags

    def watched(self, slides, labels, normaliser=None, *, masks=False):
        seen.append((tuple(slides), masks))
        return bags(self, slides, labels, normaliser, masks=masks)

    monkeypatch.setattr(type(inputs), "bags", watched)
    run_unit(dataclasses.replace(job, method=Spy), inputs, scorer)
    assert seen == [(job.fold.train, bool(needs)), (job.fold.val, bool(needs)), (job.fold.test, False)]


def test_a_mask_is_squeezed_as_its_thumbnail_is(tmp_path):
    (tmp_path / "t.xml").write_text(ASAP)
    index = SlideIndex(
        "t", tmp_path / "t.tif", 0.5, "x", 400, 100, "0" * 64, (Scale(0.5, 8),), (np.zeros((0, 2), np.int64),), "h"
    )
    entries = {name: SimpleNamespace(label=label) for name, label in (("t", 1), ("n", 0), ("u", 1))}
    dataset = SimpleNamespace(by_slide=entries)
    indexes = dict.fromkeys(entries, index)
    mask_of = _masks(dataset, {"t": tmp_path / "t.xml"}, indexes)
    # The outline covers the left half and the upper half of a slide that is four times as wide as high.
    expected = np.zeros((8, 8), bool)
    expected[:4, :4] = True
    assert np.array_equal(mask_of("t", 8), expected)
    assert not mask_of("n", 8).any()
    assert mask_of("u", 8) is None
    assert side_on_level0(8, 0.5, 0.5) == SlideTiles({"t": index}, mpp=None, workers=1).extent("t").sides[0]
