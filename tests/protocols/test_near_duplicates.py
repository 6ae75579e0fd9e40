"""Bags that are nearly the same are found by their rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from harness.protocols.near_duplicates import Comparison, NearDuplicate, compare_bags, compare_thumbnails

RNG = np.random.default_rng(0)
BAGS = {f"s{k}": RNG.normal(2.0, 1.0, size=(30 + k, 32)).astype(np.float32) for k in range(8)}


def pairs(bags: Mapping[str, np.ndarray]) -> dict[frozenset[str], float]:
    return {pair.pair: pair.value for pair in compare_bags(list(bags), bags.__getitem__).pairs}


def test_different_bags_share_nothing() -> None:
    found = compare_bags(list(BAGS), BAGS.__getitem__)
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
    found = compare_bags(slides, lambda slide: rows[500 * int(slide[1:]) :][:500])
    assert (found.pairs, found.compared) == ((), 200 * 199 // 2)


def drawn(bag, count: int = 24) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(1)
    return {f"s{k}": np.asarray(bag(draw), np.float64) for k in range(count)}


def odd(draw: np.random.Generator) -> np.ndarray:
    bag = draw.normal(size=(60, 16))
    bag[draw.integers(60), draw.integers(16)] = 10.0 ** draw.uniform(5, 38)
    return bag


@pytest.mark.parametrize(
    "bag",
    [
        odd,
        lambda draw: draw.normal(size=(60, 16)) * np.where(np.arange(16) == 3, 1e6, 1.0),
        lambda draw: np.where(np.arange(16) == 3, 1e6 * draw.integers(2, size=(60, 1)), draw.normal(size=(60, 16))),
        lambda draw: draw.standard_cauchy((60, 16)),
        lambda draw: np.exp(3 * draw.normal(size=(60, 16))),
        lambda draw: 1000 + draw.normal(size=(60, 16)),
        lambda draw: draw.normal(size=(60, 64)) * (draw.random((60, 64)) < 0.02),
        lambda draw: np.maximum(draw.normal(size=(60, 16)), 0),
        lambda draw: np.eye(16)[draw.integers(0, 16, 10)],
        lambda draw: np.eye(16)[draw.integers(0, 16, 1)],
        lambda draw: np.eye(300)[draw.integers(0, 300, 100)],
        lambda draw: draw.integers(2, size=(10, 8)),
        lambda draw: draw.integers(4, size=(10, 4)),
        lambda draw: np.ones((10, 16)),
        lambda draw: np.zeros((10, 16)),
        lambda draw: np.concatenate([np.ones((10, 12)), draw.normal(size=(10, 4))], axis=1),
        lambda draw: draw.normal(size=(100, 1)),
        lambda draw: draw.normal(size=(2, 2)),
        lambda draw: draw.normal(size=(1, 768)),
    ],
    ids=[
        "one odd value in each bag", "a large column", "a large binary column", "heavy tails", "log-normal", "offset",
        "sparse", "rectified", "one-hot", "one-hot, one row", "one-hot, wide", "binary", "whole numbers", "constant",
        "zero", "constant columns", "one column", "two columns", "one row",
    ],
)  # fmt: skip
def test_bags_that_are_no_copies_whatever_their_features(bag) -> None:
    bags = drawn(bag)
    found = compare_bags(list(bags), bags.__getitem__)
    assert (found.pairs, found.suspected) == ((), ())


@pytest.mark.parametrize("value", [1e6, -1e30, 3e38])
def test_one_odd_value_hides_no_copy(value: float) -> None:
    bags = drawn(lambda draw: draw.normal(size=(30, 32)))
    bags["s0"][3, 7] = value
    bags["s5"][2, 2] = value
    found = pairs(bags | {"copy": np.clip(bags["s0"], -6e4, 6e4).astype(np.float16)})
    assert list(found) == [frozenset({"s0", "copy"})]


def test_most_bags_may_be_copies_of_one() -> None:
    bags = drawn(lambda draw: draw.normal(size=(30, 32)), 4)
    copies = {f"copy{k}": bags["s0"].astype(np.float32) + 1e-6 * k for k in range(5)}
    found = pairs(bags | copies)
    assert len(found) == 15
    assert set().union(*found) == {"s0", *copies}


CHANGES = {
    "negated": lambda bag, draw: -bag,
    "columns permuted": lambda bag, draw: bag[:, draw.permutation(bag.shape[1])],
    "scaled, in float16": lambda bag, draw: (0.01 * bag).astype(np.float16),
    "centred": lambda bag, draw: bag - bag.mean(),
    "L2-normalised": lambda bag, draw: bag / np.linalg.norm(bag, axis=1, keepdims=True),
    "layer-normalised": lambda bag, draw: (bag - bag.mean(1, keepdims=True)) / bag.std(1, keepdims=True),
    "z-scored over the bag": lambda bag, draw: (bag - bag.mean(0)) / bag.std(0),
    "z-scored over all bags": lambda bag, draw: (bag - 0.3) / (1 + np.arange(bag.shape[1])),
    "min-max scaled": lambda bag, draw: (bag - bag.min(0)) / np.ptp(bag, axis=0),
    "other signs": lambda bag, draw: bag * draw.choice([-1, 1], bag.shape[1]),
    "half of it, negated": lambda bag, draw: -bag[::2],
    "all at once": lambda bag, draw: -3 * bag[draw.permutation(len(bag))][:, draw.permutation(bag.shape[1])],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "bag",
    [lambda draw: draw.normal(2.0, size=(30, 32)), lambda draw: np.maximum(draw.normal(size=(40, 64)), 0)],
    ids=["normal", "rectified"],
)
def test_a_transformed_copy_is_found(bag, change: str) -> None:
    bags = drawn(bag)
    with np.errstate(invalid="ignore"):
        copy = CHANGES[change](bags["s3"], np.random.default_rng(2)).astype(np.float32)
    found = compare_bags([*bags, "copy"], (bags | {"copy": copy}).__getitem__)
    assert [pair.pair for pair in found.pairs] == [frozenset({"s3", "copy"})]
    assert found.pairs[0].measure in {"row profiles", "column profiles"}
    assert found.suspected == ()


def test_declared_pairs_are_not_suspected() -> None:
    pair = NearDuplicate("a", "b", "row profiles", 0.6)
    found = Comparison("rows", (), 1, suspected=(pair,)).without([("b", "a")])
    assert (found.suspected, found.excepted) == ((), (pair,))


def test_no_bags_and_one_bag() -> None:
    assert compare_bags([], BAGS.__getitem__) == Comparison("rows", (), 0)
    assert compare_bags(["s0"], BAGS.__getitem__) == Comparison("rows", (), 0)


def test_slides_without_a_thumbnail_are_said() -> None:
    found = compare_thumbnails({"a": "0" * 64, "b": "", "c": "0" * 64})
    assert found.unknown == ("b",)
    assert found.compared == 1
    assert [pair.words for pair in found.pairs] == ["their thumbnails differ in 0 of 255 bits"]


def test_declared_pairs_are_set_apart_in_any_order() -> None:
    one, two = NearDuplicate("a", "b", "rows", 0.8), NearDuplicate("c", "d", "rows", 0.9)
    found = Comparison("rows", (one, two), 6).without([("b", "a"), ("x", "y")])
    assert found.pairs == (two,)
    assert found.excepted == (one,)
    assert one.words == "they share 80% of their rows"
