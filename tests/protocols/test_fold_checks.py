"""Folds in which training, selection or scores mean nothing are refused, or told, before anything is trained."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from support.written import Write

from harness.core.errors import DataError
from harness.datasets.dataset import Dataset, load_dataset
from harness.protocols.fold_checks import check_folds, fold_warnings


def dataset(write: Write, parts: dict[str, str], *, classes: str = "ab", **protocol: Any) -> Dataset:
    """A fold from the class letters of each part: ``train="ab"`` has one slide of class a and one of class b."""
    rows = [(f"{part}{k}", part, letter) for part, letters in parts.items() for k, letter in enumerate(letters)]
    return load_dataset(
        write(
            labels="slide,patient,label\n" + "".join(f"{slide},{slide},{letter}\n" for slide, _, letter in rows),
            splits="repeat,fold,slide,part\n" + "".join(f"0,0,{slide},{part}\n" for slide, part, _ in rows),
            card={
                "classes": list(classes),
                "counts": {},
                "errata": [],
                "protocols": {"official": {"title": "t", "splits": "splits/official.csv", **protocol}},
            },
        )
    )


def check(found: Dataset, *, tuned: str = "") -> None:
    name, protocol = found.protocol()
    check_folds(found, name, protocol, found.splits(name).folds, tuned=tuned)


def warnings(found: Dataset) -> list[str]:
    name, protocol = found.protocol()
    return list(fold_warnings(found, protocol, found.splits(name).folds))


NOTHING_CHOSEN = {"select": "last", "threshold": "argmax"}


@pytest.mark.parametrize(
    ("parts", "protocol", "names"),
    [
        ({"train": "aa", "val": "ab", "test": "ab"}, {}, ("training", "r0f0")),
        ({"train": "ab", "val": "aa", "test": "ab"}, {}, ("validation", "select", "threshold")),
        ({"train": "ab", "val": "a", "test": "ab"}, {"select": "last"}, ("validation", "threshold")),
        ({"train": "ab", "val": "a", "test": "ab"}, {"threshold": "argmax"}, ("validation", "select")),
        ({"train": "ab", "val": "", "test": "ab"}, {}, ("none", "official")),
        ({"train": "ab", "val": "", "test": "ab"}, {"select": "last"}, ("none", "threshold")),
        ({"train": "aa", "val": "aa", "test": "ab"}, {"fit_on": "train+val", **NOTHING_CHOSEN}, ("training",)),
    ],
)
def test_what_means_nothing_is_refused_by_name(write, parts, protocol, names) -> None:
    with pytest.raises(DataError) as caught:
        check(dataset(write, parts, **protocol))
    for name in names:
        assert name in f"{caught.value.problem} {caught.value.place}"


@pytest.mark.parametrize(
    ("parts", "protocol"),
    [
        ({"train": "ab", "val": "ab", "test": "a"}, {}),
        ({"train": "ab", "val": "a", "test": "ab"}, NOTHING_CHOSEN),
        ({"train": "ab", "val": "", "test": "ab"}, NOTHING_CHOSEN),
        ({"train": "aa", "val": "bb", "test": "ab"}, {"fit_on": "train+val", **NOTHING_CHOSEN}),
    ],
)
def test_what_is_not_used_need_not_be_there(write, parts, protocol) -> None:
    check(dataset(write, parts, **protocol))


def test_tuning_needs_validation_slides_of_every_class(write) -> None:
    found = dataset(write, {"train": "ab", "val": "aa", "test": "ab"}, **NOTHING_CHOSEN)
    with pytest.raises(DataError, match="--trials"):
        check(found, tuned="auc")


def test_a_test_part_without_a_class_is_told(write) -> None:
    assert any(
        "b" in line and "r0f0" in line for line in warnings(dataset(write, {"train": "ab", "val": "ab", "test": "a"}))
    )
    assert not warnings(dataset(write, {"train": "ab", "val": "ab", "test": "ab"}))


def test_a_class_of_several_that_is_not_trained_on_is_told(write) -> None:
    found = dataset(write, {"train": "ab", "val": "abc", "test": "abc"}, classes="abc")
    check(found)
    assert any("training" in line and "c" in line for line in warnings(found))


def test_pooled_folds_are_judged_together(write) -> None:
    """Leave one out: no fold has an AUC, and together they have one."""
    labels = "slide,patient,label\n" + "".join(f"s{k},p{k},{'ab'[k % 2]}\n" for k in range(4))
    splits = "repeat,fold,slide,part\n" + "".join(
        f"0,{fold},s{k},{'test' if k == fold else 'train'}\n" for fold in range(4) for k in range(4)
    )
    for auc, expected in (("mean", 4), ("pooled", 0)):
        protocol = {"title": "t", "splits": "splits/official.csv", "auc": auc, **NOTHING_CHOSEN}
        card = {"classes": ["a", "b"], "counts": {}, "errata": [], "protocols": {"official": protocol}}
        assert len(warnings(load_dataset(write(labels=labels, splits=splits, card=card)))) == expected


@pytest.mark.parametrize(
    ("followed", "comparable"),
    [([(5, 1), (7, 0)], True), ([(5, 1), (5, 0)], True), ([(5, 1), (5, 1)], False), ([(5, 0), (7, 0)], False)],
)
def test_survival_needs_a_pair_of_patients_to_compare(write, followed, comparable) -> None:
    train = [(k, 1) for k in range(1, 9)]
    rows = [
        (part, k, *seen)
        for part, every in (("train", train), ("val", followed), ("test", followed))
        for k, seen in enumerate(every)
    ]
    labels = "slide,patient,time,event\n" + "".join(f"{p}{k},{p}{k},{time},{event}\n" for p, k, time, event in rows)
    splits = "repeat,fold,slide,part\n" + "".join(f"0,0,{p}{k},{p}\n" for p, k, *_ in rows)
    protocols = {"official": {"title": "t", "splits": "splits/official.csv"}}
    card = {"task": "survival", "classes": ..., "counts": {}, "errata": [], "protocols": protocols}
    found = load_dataset(write(labels=labels, splits=splits, card=card))
    assert bool(warnings(found)) is not comparable
    if comparable:
        check(found)
    else:
        with pytest.raises(DataError, match="comparable"):
            check(found)


@pytest.mark.parametrize(
    ("metric", "refused"), [("", False), ("auc", True), ("sensitivity", True), ("log_loss", False)]
)
def test_validation_must_have_every_class_that_the_score_of_a_search_needs(write, metric, refused) -> None:
    found = dataset(write, {"train": "abcabc", "val": "abab", "test": "abc"}, classes="abc")
    with pytest.raises(DataError, match="no validation slide is c") if refused else nullcontext():
        check(found, tuned=metric)
