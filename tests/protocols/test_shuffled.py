from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.protocols.shuffled import shuffled_folds


@given(st.integers(3, 60), st.integers(3, 10), st.integers(1, 3), st.integers(0, 5))
def test_each_repeat_tests_and_validates_every_slide_once(n: int, n_folds: int, repeats: int, seed: int) -> None:
    slides = [f"s{i}" for i in range(max(n, n_folds))]
    folds = shuffled_folds(slides, n_folds=n_folds, n_repeats=repeats, seed=seed)
    assert len(folds) == n_folds * repeats
    for repeat in range(repeats):
        mine = [fold for fold in folds if fold.repeat == repeat]
        assert sorted(slide for fold in mine for slide in fold.test) == sorted(slides)
        assert sorted(slide for fold in mine for slide in fold.val) == sorted(slides)
        sizes = {len(fold.test) for fold in mine}
        assert max(sizes) - min(sizes) <= 1
        for k, fold in enumerate(mine):
            assert fold.val == mine[(k + 1) % n_folds].test
            assert sorted(fold.train + fold.val + fold.test) == sorted(slides)


def test_repeats_and_seeds_differ_and_the_order_of_slides_does_not_matter() -> None:
    slides = [f"s{i}" for i in range(40)]
    folds = shuffled_folds(slides, n_folds=4, n_repeats=2, seed=0)
    assert folds[0].test != folds[4].test
    assert folds != shuffled_folds(slides, n_folds=4, n_repeats=2, seed=1)
    assert folds == shuffled_folds(slides[::-1], n_folds=4, n_repeats=2, seed=0)


@pytest.mark.parametrize(("n_folds", "repeats"), [(2, 1), (6, 1), (3, 0)])
def test_impossible_numbers(n_folds: int, repeats: int) -> None:
    with pytest.raises(UsageError):
        shuffled_folds(list("abcde"), n_folds=n_folds, n_repeats=repeats, seed=0)
