"""Inner folds hold no test slide, part patients from each other, and validate every slide once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness import UsageError
from harness.datasets.dataset import load_dataset
from harness.studies.tuning.inner import inner_folds


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_inner_folds_are_made_of_what_is_not_tested(toy_dataset: Path, count):
    dataset = load_dataset(toy_dataset)
    outer = dataset.splits("cv2").folds[0]
    folds = inner_folds(outer, count, dataset)
    assert len(folds) == count
    validated = [slide for fold in folds for slide in fold.val]
    assert len(validated) == len(set(validated))
    assert set(validated) == (set(outer.val) if count == 1 else set(outer.train + outer.val))
    for fold in folds:
        assert fold.test == ()
        assert set(fold.train) | set(fold.val) == set(outer.train + outer.val)
        patients = [{dataset.patients[slide] for slide in part} for part in (fold.train, fold.val)]
        assert not patients[0] & patients[1]
        assert {dataset.by_slide[slide].label for slide in fold.val} == {0, 1}


def test_a_fold_without_validation_slides_is_refused_with_the_way_out(toy_dataset: Path):
    dataset = load_dataset(toy_dataset)
    outer = dataclasses.replace(dataset.splits("cv2").folds[0], val=())
    with pytest.raises(UsageError, match="no validation slides") as told:
        inner_folds(outer, 1, dataset)
    assert "--tune-folds" in told.value.fix
    assert len(inner_folds(outer, 3, dataset)) == 3
