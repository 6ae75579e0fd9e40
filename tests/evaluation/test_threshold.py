"""The chosen threshold is the best one there is, and a neutral one among equals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from harness.evaluation.threshold import choose_threshold, predicted_classes

probability = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1))


@given(st.lists(st.tuples(st.integers(0, 1), probability), min_size=0, max_size=20))
def test_no_threshold_does_better(rows: list[tuple[int, float]]) -> None:
    labels = np.array([0, 1, *(row[0] for row in rows)])
    p = np.array([0.4, 0.6, *(row[1] for row in rows)])

    def balanced(threshold: float) -> float:
        return float(balanced_accuracy_score(labels, p >= threshold))

    chosen = choose_threshold(labels, p)
    best = max(balanced(t) for t in [0.0, *p, *np.nextafter(p, 2)])
    assert balanced(chosen) == pytest.approx(best)
    if balanced(0.5) == pytest.approx(best, abs=1e-9):
        assert chosen == 0.5


def test_it_lies_in_the_middle_of_the_gap_when_that_is_off_centre() -> None:
    assert choose_threshold([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.9]) == pytest.approx(0.25)


def test_of_two_equally_good_gaps_the_nearer_to_one_half_is_taken() -> None:
    # The gaps at 0.15 and at 0.75 both give a balanced accuracy of 3/4.
    assert choose_threshold([0, 1, 0, 1], [0.1, 0.2, 0.7, 0.8]) == pytest.approx(0.75)


@pytest.mark.parametrize("p", [[0.4, 0.4], [0.6, 0.6], [0.0, 0.0], [1.0, 1.0]])
def test_useless_probabilities_give_one_half(p: list[float]) -> None:
    assert choose_threshold([0, 1], p) == 0.5


def test_one_class_gives_one_half() -> None:
    assert choose_threshold([1, 1], [0.1, 0.2]) == 0.5


def test_classes_follow_from_the_threshold_or_from_the_largest_probability() -> None:
    p = [[0.7, 0.3], [0.5, 0.5], [0.2, 0.8]]
    assert predicted_classes(p, 0.3).tolist() == [1, 1, 1]
    assert predicted_classes(p, 0.81).tolist() == [0, 0, 0]
    assert predicted_classes(p, None).tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match="two classes"):
        predicted_classes([[0.2, 0.3, 0.5]], 0.5)
