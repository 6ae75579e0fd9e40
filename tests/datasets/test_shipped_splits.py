"""CAMELYON16 and its miniature: labels, splits and errata as they are claimed."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from harness.datasets.catalog import find_dataset
from harness.datasets.shipped_splits import RECIPES
from harness.datasets.splits import write_splits

FILES = [(name, file) for name, recipes in RECIPES.items() for file in recipes]


@pytest.mark.parametrize(("name", "file"), FILES)
def test_shipped_split_is_what_its_recipe_gives(name: str, file: str, tmp_path: Path) -> None:
    dataset = find_dataset(name)
    write_splits(tmp_path / "s.csv", RECIPES[name][file](dataset.entries))
    assert (tmp_path / "s.csv").read_bytes() == (dataset.folder / file).read_bytes()


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_protocol_has_a_recipe_and_every_recipe_a_protocol(name: str) -> None:
    dataset = find_dataset(name)
    assert {protocol.splits for protocol in dataset.card.protocols.values()} == set(RECIPES[name])


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_to_choose_by_training_slides_official_test_slides_are_left_alone(name: str) -> None:
    dataset = find_dataset(name)
    training = {entry.slide for entry in dataset.entries if entry.extra["split"] == "train"}
    folds = dataset.splits("train-cv5").folds
    assert Counter(slide for fold in folds for slide in fold.test) == dict.fromkeys(training, 1)
    for fold in folds:
        assert {*fold.train, *fold.val, *fold.test} == training
    assert not dataset.card.protocols["train-cv5"].ranked


def test_camelyon16_has_the_slides_of_the_release() -> None:
    dataset = find_dataset("camelyon16")
    expected = [f"normal_{i:03d}" for i in range(1, 161) if i != 86]
    expected += [f"tumor_{i:03d}" for i in range(1, 112)]
    expected += [f"test_{i:03d}" for i in range(1, 131) if i != 49]
    assert sorted(dataset.slides) == sorted(expected)
    facts = Counter((entry.extra["split"], dataset.card.classes[entry.label]) for entry in dataset.entries)
    assert facts == {("train", "normal"): 159, ("train", "tumor"): 111, ("test", "normal"): 80, ("test", "tumor"): 49}
    centers = Counter((entry.extra["split"], entry.extra["center"]) for entry in dataset.entries)
    assert centers == {("train", "RUMC"): 169, ("train", "UMCU"): 101, ("test", "RUMC"): 74, ("test", "UMCU"): 55}


def test_camelyon16_training_labels_and_centres_follow_the_names() -> None:
    dataset = find_dataset("camelyon16")
    for entry in dataset.entries:
        if entry.extra["split"] == "train":
            kind, number = entry.slide.split("_")
            assert dataset.card.classes[entry.label] == kind
            assert entry.extra["center"] == ("RUMC" if int(number) <= {"normal": 100, "tumor": 70}[kind] else "UMCU")


def test_camelyon16_test_labels_are_those_of_the_reference_table(shared: Path) -> None:
    dataset = find_dataset("camelyon16")
    with (shared / "datasets/labels/camelyon16/flamby_reference.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    entries = {entry.slide: entry for entry in dataset.entries if entry.extra["split"] == "test"}
    assert {row[0] for row in rows} == set(entries)
    for slide, kind, histology, metastasis in rows:
        extra = entries[slide].extra
        assert dataset.card.classes[entries[slide].label] == kind.lower()
        assert (extra["histology"], extra["metastasis"]) == (histology, metastasis.lower())
        assert (extra["metastasis"] != "none") == (entries[slide].label == 1)


def test_exclusion_variants_differ_from_the_official_protocol_by_their_slides_alone() -> None:
    dataset = find_dataset("camelyon16")
    official = dataset.splits("official").folds[0]
    assert (len(official.train), len(official.val), len(official.test)) == (216, 54, 129)
    for name, without in (("official-128", {"test_114"}), ("official-127", {"test_114", "test_124"})):
        fold = dataset.splits(name).folds[0]
        assert (fold.train, fold.val) == (official.train, official.val)
        assert set(official.test) - set(fold.test) == without


def test_official_validation_slides_mirror_label_and_centre_of_the_training_slides() -> None:
    for name in RECIPES:
        dataset = find_dataset(name)
        fold = dataset.splits("official").folds[0]
        assert {dataset.by_slide[slide].extra["split"] for slide in fold.test} == {"test"}
        strata = [
            Counter((dataset.by_slide[s].label, dataset.by_slide[s].extra["center"]) for s in part)
            for part in (fold.train + fold.val, fold.val)
        ]
        for stratum, count in strata[0].items():
            assert abs(strata[1][stratum] - 0.2 * count) < 1


def test_flags_of_the_label_table_are_the_errata_of_the_card() -> None:
    dataset = find_dataset("camelyon16")
    flagged = {entry.slide for entry in dataset.entries if entry.extra["flags"]}
    named = {slide for erratum in dataset.card.errata for slide in erratum.slides}
    # Named but not flagged: what is not in the table, and what has no known defect.
    assert named - flagged == {"normal_086", "test_049", "test_124", "tumor_096"}
    assert flagged - named == {"tumor_111"}
    partly = [entry.slide for entry in dataset.entries if "partly_annotated" in entry.extra["flags"]]
    assert len(partly) == 21 and "test_114" in partly


def test_every_erratum_says_what_is_done_and_who_says_so() -> None:
    for name in RECIPES:
        for erratum in find_dataset(name).card.errata:
            assert erratum.what and erratum.action and erratum.source


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_readme_names_source_licence_and_every_protocol_file(name: str) -> None:
    dataset = find_dataset(name)
    readme = (dataset.folder / "README.md").read_text(encoding="utf-8")
    assert "licence" in readme and "How to get it" in readme
    for protocol in dataset.card.protocols.values():
        assert protocol.splits in readme
