"""Lesion masks: of the slides a method may see, for methods that say they use them, and never of test slides."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from harness import LeakError
from harness.bags.slide_reader import SlideTiles
from harness.slides.grid import side_on_level0
from harness.slides.index import SlideIndex
from harness.slides.scale import Scale
from harness.sources.masks import Masks
from harness.sources.open_slides import _masks
from harness.studies.planned_unit import prepare

ASAP = """<?xml version="1.0"?>
<ASAP_Annotations><Annotations>
<Annotation Name="a" Type="Polygon" PartOfGroup="Tumor" Color="#F4FA58"><Coordinates>
<Coordinate Order="0" X="0" Y="0"/><Coordinate Order="1" X="200" Y="0"/>
<Coordinate Order="2" X="200" Y="50"/><Coordinate Order="3" X="0" Y="50"/>
</Coordinates></Annotation>
</Annotations><AnnotationGroups/></ASAP_Annotations>
"""


def test_masks_are_of_the_slides_that_were_given_and_of_no_others():
    masks = Masks({"b": Path("b.xml")}, {"a": (9, 9), "b": (9, 9), "c": (9, 9)}, frozenset({"a", "c"}))
    shown = masks.only(("a", "b"), held_out=("c",))
    assert not shown("a", 4).any()
    with pytest.raises(LeakError, match="slide c"):
        shown("c", 4)
    with pytest.raises(LeakError, match=r"held-out slides .*: c"):
        masks.only(("a", "c"), held_out=("c",))
    assert set(pickle.loads(pickle.dumps(shown)).files) == {"b"}


@pytest.mark.parametrize("needs", [(), ("masks",)])
def test_a_job_shows_masks_only_to_methods_that_declare_them_and_none_of_test_slides(toy_unit, needs):
    unit, inputs, _ = toy_unit()
    kind = type("Masked", (unit.method,), {"card": dataclasses.replace(unit.method.card, needs=needs)})
    slides = inputs.dataset.slides
    every = Masks({slide: Path(f"{slide}.xml") for slide in slides}, dict.fromkeys(slides, (9, 9)), frozenset())
    job = prepare(dataclasses.replace(unit, method=kind), dataclasses.replace(inputs, masks=every)).job
    for part, expected in ((job.train, unit.fold.train), (job.val, unit.fold.val)):
        assert (None if part.masks is None else set(part.masks.files)) == (set(expected) if needs else None)


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
