from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import DataError
from harness.datasets.dataset import Dataset
from harness.datasets.fingerprint import bag_fingerprint, dataset_fingerprint

RNG = np.random.default_rng(0)
BAG = RNG.integers(0, 256, (7, 3, 3, 3), np.uint8)


@given(st.permutations(range(7)))
def test_order_of_tiles_does_not_matter(order: list[int]) -> None:
    assert bag_fingerprint(BAG[order]) == bag_fingerprint(BAG)


def test_content_repeats_and_type_do_matter() -> None:
    changed = BAG.copy()
    changed[3, 0, 0, 0] ^= 1
    others = [changed, BAG[:6], np.concatenate([BAG, BAG[:1]]), BAG.astype(np.uint16), BAG.reshape(7, 27)]
    assert len({bag_fingerprint(bag) for bag in (BAG, *others)}) == 6


def test_bags_with_the_same_rows_in_other_numbers_differ() -> None:
    assert bag_fingerprint(BAG[[0, 0, 1]]) != bag_fingerprint(BAG[[0, 1, 1]])


def test_byte_order_does_not_matter() -> None:
    values = RNG.normal(size=(4, 5))
    assert bag_fingerprint(values.astype(">f8")) == bag_fingerprint(values.astype("<f8"))


def test_dataset_fingerprint_follows_labels_patients_and_content_only(tiny: Dataset) -> None:
    content = {slide: slide for slide in tiny.slides}
    first = dataset_fingerprint(tiny, content)
    assert dataset_fingerprint(replace(tiny, entries=tiny.entries[::-1]), content) == first
    assert dataset_fingerprint(replace(tiny, card=tiny.card.model_copy(update={"title": "Other"})), content) == first
    entry, rest = tiny.entries[0], tiny.entries[1:]
    for changed in (
        replace(entry, label=1, truth={"label": 1}),
        replace(entry, patient="p9"),
        replace(entry, slide="x"),
    ):
        other = replace(tiny, entries=(changed, *rest))
        assert dataset_fingerprint(other, content | {"x": "normal_001"}) != first
    assert dataset_fingerprint(tiny, content | {"test_001": "other"}) != first


def test_what_decides_about_the_tiles_of_slides_counts(tiny: Dataset) -> None:
    content = {slide: slide for slide in tiny.slides}
    tissue, source = tiny.card.tissue, tiny.card.source
    cards = [
        tiny.card,
        tiny.card.model_copy(update={"tissue": tissue.model_copy(update={"measure": "brightness"})}),
        tiny.card.model_copy(update={"tissue": tissue.model_copy(update={"threshold": 7.0})}),
        tiny.card.model_copy(update={"source": source.model_copy(update={"mpp": 0.37})}),
        tiny.card.model_copy(update={"source": source.model_copy(update={"damaged_tiles": "leave_out"})}),
    ]
    assert len({dataset_fingerprint(replace(tiny, card=card), content) for card in cards}) == len(cards)


def test_unknown_content_is_refused(tiny: Dataset) -> None:
    with pytest.raises(DataError, match="5 slides have no fingerprint"):
        dataset_fingerprint(tiny, {"normal_001": "x"})
