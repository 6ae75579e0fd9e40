"""Bags that are nearly the same are found by their rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from harness.protocol.likeness import Alike, Likeness, alike_bags, alike_slides

RNG = np.random.default_rng(0)
BAGS = {f"s{k}": RNG.normal(2.0, 1.0, size=(30 + k, 32)).astype(np.float32) for k in range(8)}


def pairs(bags: Mapping[str, np.ndarray]) -> dict[frozenset[str], float]:
    return {pair.pair: pair.value for pair in alike_bags(list(bags), bags.__getitem__).pairs}


def test_different_bags_share_nothing() -> None:
    found = alike_bags(list(BAGS), BAGS.__getitem__)
    assert found.pairs == ()
    assert found.compared == 28
    assert found.measure == "rows"


@pytest.mark.parametrize(
    ("change", "least"),
    [
        (lambda bag: bag.astype(np.float16), 0.9),
        (lambda bag: bag[::-1], 1.0),
        (lambda bag: bag[: len(bag) // 2], 1.0),
        (lambda bag: np.concatenate([bag, RNG.normal(2, 1, size=(200, 32))]), 1.0),
        (lambda bag: bag + RNG.normal(0, 0.01, bag.shape), 0.6),
        (lambda bag: np.repeat(bag, 3, axis=0), 1.0),
    ],
    ids=["float16", "other order", "half of it", "and more", "noise", "thrice"],
)
def test_a_copy_is_found(change, least: float) -> None:
    found = pairs(BAGS | {"copy": change(BAGS["s3"])})
    assert list(found) == [frozenset({"s3", "copy"})]
    assert found[frozenset({"s3", "copy"})] >= least


def test_half_of_the_rows_is_not_yet_a_copy() -> None:
    bag = BAGS["s0"]
    fresh = RNG.normal(2, 1, size=(15, 32)).astype(np.float32)
    assert pairs(BAGS | {"other": np.concatenate([bag[:15], fresh])}) == {}
    assert len(pairs(BAGS | {"other": np.concatenate([bag[:16], fresh[:14]])})) == 1


def test_blank_tiles_in_every_bag_make_no_copies() -> None:
    blank = np.zeros((500, 32), np.float32)
    assert pairs({slide: np.concatenate([bag, blank]) for slide, bag in BAGS.items()}) == {}


def test_a_hundred_thousand_rows_of_two_hundred_slides() -> None:
    rows = np.random.default_rng(1).normal(size=(100_000, 64)).astype(np.float32)
    slides = [f"s{k}" for k in range(200)]
    found = alike_bags(slides, lambda slide: rows[500 * int(slide[1:]) :][:500])
    assert (found.pairs, found.compared) == ((), 200 * 199 // 2)


def test_no_bags_and_one_bag() -> None:
    assert alike_bags([], BAGS.__getitem__) == Likeness("rows", (), 0)
    assert alike_bags(["s0"], BAGS.__getitem__) == Likeness("rows", (), 0)


def test_slides_without_a_thumbnail_are_said() -> None:
    found = alike_slides({"a": "0" * 64, "b": "", "c": "0" * 64})
    assert found.unknown == ("b",)
    assert found.compared == 1
    assert [pair.words for pair in found.pairs] == ["their thumbnails differ in 0 of 255 bits"]


def test_declared_pairs_are_set_apart_in_any_order() -> None:
    one, two = Alike("a", "b", "rows", 0.8), Alike("c", "d", "rows", 0.9)
    found = Likeness("rows", (one, two), 6).without([("b", "a"), ("x", "y")])
    assert found.pairs == (two,)
    assert found.excepted == (one,)
    assert one.words == "they share 80% of their rows"
