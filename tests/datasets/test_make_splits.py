from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.datasets.make_splits import as_folds, given_test, holdout, stratified_folds

SLIDES = st.lists(st.tuples(st.integers(0, 25), st.sampled_from("ABC")), min_size=12, max_size=80)


def _columns(slides: list[tuple[int, str]]) -> tuple[list[str], list[str]]:
    return [f"p{patient}" for patient, _ in slides], [stratum for _, stratum in slides]


@given(SLIDES, st.integers(2, 5), st.integers(0, 3))
def test_every_slide_is_tested_once_and_no_patient_is_parted(
    slides: list[tuple[int, str]], n_folds: int, seed: int
) -> None:
    patients, strata = _columns(slides)
    if len(set(patients)) < n_folds:
        return
    folds = stratified_folds(patients, strata, n_folds, 0.2, seed)
    assert sorted(i for fold in folds for i in fold["test"]) == list(range(len(slides)))
    for fold in folds:
        assert sorted(fold["train"] + fold["val"] + fold["test"]) == list(range(len(slides)))
        sides = [{patients[i] for i in part} for part in fold.values()]
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


@given(st.lists(st.sampled_from("ABC"), min_size=10, max_size=90), st.integers(2, 5), st.integers(0, 3))
def test_folds_are_even_in_size_and_in_every_stratum(strata: list[str], n_folds: int, seed: int) -> None:
    folds = stratified_folds([f"p{i}" for i in range(len(strata))], strata, n_folds, 0.25, seed)
    sizes = [len(fold["test"]) for fold in folds]
    assert max(sizes) - min(sizes) <= 1
    for stratum in set(strata):
        counts = [Counter(strata[i] for i in fold["test"])[stratum] for fold in folds]
        assert max(counts) - min(counts) <= 1


@given(st.lists(st.sampled_from("ABC"), min_size=5, max_size=90), st.floats(0.1, 0.9), st.integers(0, 3))
def test_holdout_takes_its_share_of_all_and_of_every_stratum(strata: list[str], fraction: float, seed: int) -> None:
    stay, aside = holdout([f"p{i}" for i in range(len(strata))], strata, fraction, seed)
    assert sorted(stay + aside) == list(range(len(strata)))
    assert abs(len(aside) - fraction * len(strata)) <= 0.5 + 1e-9
    for stratum, count in Counter(strata).items():
        assert abs(sum(strata[i] == stratum for i in aside) - fraction * count) <= 1 + 1e-9


@given(SLIDES, st.randoms(use_true_random=False))
def test_order_of_the_rows_does_not_matter(slides: list[tuple[int, str]], shuffler: object) -> None:
    patients, strata = _columns(slides)
    if len(set(patients)) < 3:
        return
    order = list(range(len(slides)))
    shuffler.shuffle(order)  # type: ignore[attr-defined]
    straight = stratified_folds(patients, strata, 3, 0.2, 1)
    mixed = stratified_folds([patients[i] for i in order], [strata[i] for i in order], 3, 0.2, 1)
    for one, other in zip(straight, mixed, strict=True):
        for part in one:
            assert one[part] == sorted(order[i] for i in other[part])


def test_another_seed_gives_other_folds() -> None:
    patients = [f"p{i}" for i in range(60)]
    folds = [stratified_folds(patients, ["A", "B"] * 30, 5, 0.2, seed) for seed in (0, 1)]
    assert folds[0] != folds[1]
    assert holdout(patients, ["A"] * 60, 0.2, 0) != holdout(patients, ["A"] * 60, 0.2, 1)


def test_a_patient_with_many_slides_does_not_make_one_fold_large() -> None:
    patients = ["big"] * 6 + [f"p{i}" for i in range(24)]
    sizes = [len(fold["test"]) for fold in stratified_folds(patients, ["A"] * 30, 5, 0.2, 0)]
    assert sizes == [6] * 5


def test_given_test_slides_stay_tested_and_the_rest_is_split() -> None:
    strata = ["A", "B"] * 20
    tested = [i >= 30 for i in range(40)]
    parts = given_test([f"p{i}" for i in range(40)], strata, tested, 0.2, 0)
    assert parts["test"] == list(range(30, 40))
    assert Counter(strata[i] for i in parts["val"]) == {"A": 3, "B": 3}
    assert sorted(parts["train"] + parts["val"]) == list(range(30))


def test_slides_left_out_leave_the_others_where_they_were() -> None:
    slides = [f"s{i}" for i in range(30)]
    made = stratified_folds(slides, ["A"] * 30, 3, 0.2, 0)
    whole, without = as_folds(slides, made), as_folds(slides, made, without=("s4",))
    for one, other in zip(whole, without, strict=True):
        for (part, before), (_, after) in zip(one.parts(), other.parts(), strict=True):
            assert tuple(slide for slide in before if slide != "s4") == after, part


@pytest.mark.parametrize(("count", "n_folds"), [(4, 5), (4, 1), (0, 2)])
def test_impossible_folds_are_refused(count: int, n_folds: int) -> None:
    with pytest.raises(UsageError):
        stratified_folds([f"p{i}" for i in range(count)], ["A"] * count, n_folds, 0.2, 0)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0])
def test_impossible_shares_are_refused(fraction: float) -> None:
    with pytest.raises(UsageError, match="not a share"):
        holdout(["a", "b"], ["A", "A"], fraction, 0)


def test_one_stratum_per_slide_is_needed() -> None:
    with pytest.raises(UsageError, match="2 patients and 1 strata"):
        holdout(["a", "b"], ["A"], 0.5, 0)
