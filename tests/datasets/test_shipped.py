"""The datasets in the package: what their cards claim is true."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from harness.core.resources import package_data
from harness.datasets.catalog import find_dataset
from harness.datasets.make_splits import stratified_folds
from harness.datasets.npz_bags import read_npz_bags
from harness.datasets.patches import Patches, instance_labels_of, open_patches
from harness.datasets.splits import Fold, write_splits
from harness.protocols.audit import audit
from harness.protocols.shuffled import shuffled_folds
from harness.protocols.verify import verify

OURS = ("colon-nuclei", "musk1", "musk2")
MUSK = ("musk1", "musk2")


@pytest.mark.parametrize("name", OURS)
def test_folder_is_complete_and_readme_names_the_licence(name: str) -> None:
    folder = package_data("datasets") / name
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "licence" in readme
    assert {"card.yaml", "labels.csv", "README.md", "splits"} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", OURS)
def test_counts_of_the_card_are_those_of_the_label_table(name: str) -> None:
    dataset = find_dataset(name)
    counts = Counter(dataset.card.classes[entry.label] for entry in dataset.entries)
    expected = {"slides": len(dataset.entries), "patients": len(set(dataset.patients.values())), **counts}
    assert expected == {key: value for key, value in dataset.card.counts.items() if key != "tiles"}
    assert sum(int(entry.extra["tiles"]) for entry in dataset.entries) == dataset.card.counts["tiles"]


@pytest.mark.parametrize("name", OURS)
def test_every_fold_has_both_classes_in_each_part(name: str) -> None:
    dataset = find_dataset(name)
    for fold in dataset.splits().folds:
        for _, slides in fold.parts():
            assert len({dataset.by_slide[slide].label for slide in slides}) == 2


@pytest.mark.parametrize("name", MUSK)
def test_musk_features_fit_the_card(name: str) -> None:
    assert verify(find_dataset(name), None).findings == ()


@pytest.mark.parametrize("name", MUSK)
def test_musk_folds_are_what_the_seed_gives(name: str, tmp_path: Path) -> None:
    dataset = find_dataset(name)
    write_splits(tmp_path / "s.csv", shuffled_folds(dataset.slides, n_folds=10, n_repeats=5, seed=0))
    assert (tmp_path / "s.csv").read_bytes() == dataset.splits().path.read_bytes()


@pytest.mark.parametrize("name", MUSK)
def test_only_the_musk_protocol_that_leaks_nothing_and_selects_nothing_is_ranked(name: str) -> None:
    protocols = find_dataset(name).card.protocols
    assert {key: (p.fit_on, p.select, p.threshold, p.normalise, p.ranked) for key, p in protocols.items()} == {
        "cv5x10": ("train+val", "last", "argmax", "train", True),
        "cv5x10-transductive": ("train+val", "last", "argmax", "transductive", False),
        "cv5x10-on-test": ("train+val", "test", "test", "train", False),
    }


@pytest.mark.parametrize("name", MUSK)
def test_no_two_musk_bags_are_identical_and_none_share_an_instance(name: str) -> None:
    dataset = find_dataset(name)
    given = read_npz_bags(dataset)
    assert len(set(given.fingerprints.values())) == len(dataset.entries)
    for fold in dataset.splits().folds:
        assert audit(fold, dataset.patients, given.fingerprints) == ()
    bags_of: dict[bytes, set[str]] = {}
    for slide in given.slides:
        for row in given.bag(slide):
            bags_of.setdefault(row.tobytes(), set()).add(slide)
    assert {len(bags) for bags in bags_of.values()} == {1}
    assert len(given.features) - len(bags_of) == {"musk1": 0, "musk2": 17}[name]


def test_colon_folds_are_what_the_seed_gives(tmp_path: Path) -> None:
    dataset = find_dataset("colon-nuclei")
    labels = [dataset.card.classes[entry.label] for entry in dataset.entries]
    made = stratified_folds([entry.patient for entry in dataset.entries], labels, 5, 0.2, 0)
    folds = [
        Fold(0, k, *(tuple(dataset.slides[i] for i in fold[part]) for part in ("train", "val", "test")))
        for k, fold in enumerate(made)
    ]
    write_splits(tmp_path / "s.csv", folds)
    assert (tmp_path / "s.csv").read_bytes() == dataset.splits().path.read_bytes()


@pytest.fixture(scope="module")
def colon(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Patches:
    root = shared / "datasets/real/colon-nuclei"
    return open_patches(find_dataset("colon-nuclei"), root, tmp_path_factory.mktemp("cache"))


def test_colon_patches_are_those_of_the_card(colon: Patches, shared: Path) -> None:
    dataset = find_dataset("colon-nuclei")
    assert verify(dataset, shared / "datasets/real/colon-nuclei").findings == ()
    assert colon.tiles.shape == (20280, 27, 27, 3)
    sizes = np.diff(colon.offsets)
    assert (sizes.min(), sizes.max(), round(float(sizes.mean()))) == (6, 699, 207)
    for fold in dataset.splits().folds:
        assert audit(fold, dataset.patients, colon.fingerprints) == ()


def test_a_colon_bag_is_cancerous_exactly_if_one_of_its_nuclei_is(colon: Patches) -> None:
    dataset, labels = find_dataset("colon-nuclei"), instance_labels_of(colon)
    for entry in dataset.entries:
        assert len(labels(entry.slide)) == int(entry.extra["tiles"])
        assert entry.label == labels(entry.slide).max()


def test_identical_colon_patches_lie_within_one_bag(colon: Patches) -> None:
    places: dict[bytes, list[str]] = {}
    for slide in colon.slides:
        for tile in colon.bag(slide):
            places.setdefault(tile.tobytes(), []).append(slide)
    twins = [slides for slides in places.values() if len(slides) > 1]
    assert [len(slides) for slides in twins] == [2, 2, 2]
    assert all(one == other for one, other in twins)
