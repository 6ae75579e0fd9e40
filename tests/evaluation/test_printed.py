"""Printed scores: what is called impossible is checked against all counts, written out."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from harness.evaluation.printed import Mean, Printed, divisions, largest_std, nearest, possible, std_reaches, sums_of


def test_a_number_stands_for_all_that_round_to_it():
    short, long = Printed.of(".9"), Printed.of(".90")
    assert float(short.low) == pytest.approx(0.85) and float(long.low) == pytest.approx(0.895)
    for text in ("91.25%", "91,25 %"):
        assert Printed.of(text).value == Fraction("0.9125") and Printed.of(text).unit == Fraction(1, 10**4)
    assert Printed.of("91.25%").moved(-1).text == "91.24%" and Printed.of(".999").moved(1).text == "1.000"
    for text in ("", "abc", "1e5", "0.9.1", "nan", "9" * 40):
        with pytest.raises(ValueError, match="is no number"):
            Printed.of(text)


@pytest.mark.parametrize("sizes", [(7,), (4, 3), (5, 5, 4), (2, 3, 5)])
def test_means_over_folds_are_those_of_all_counts(sizes: tuple[int, ...]) -> None:
    counts = np.array(list(product(*(range(size + 1) for size in sizes))))
    reached = (counts / sizes).mean(axis=1)
    mean = Mean(sums_of([(size, 1) for size in sizes], 1), len(sizes))
    for number in (k / 997 for k in range(998)):
        for places in (2, 3):
            text = f"{number:.{places}f}"
            inside = np.abs(reached - float(text)).min() <= 0.5 * 10**-places + 1e-12
            assert possible(Printed.of(text), [mean]) == inside


def test_the_nearest_possible_numbers_stand_beside_an_impossible_one():
    mean = Mean(((40, 40),), 1)
    assert [one.text for one in nearest(Printed.of(".883"), [mean])] == ["0.875", "0.900"]
    assert [one.text for one in nearest(Printed.of("88.3", percent=True), [mean])] == ["87.5", "90.0"]


def test_folds_are_of_nearly_equal_sizes():
    assert divisions(23, 5) == {4: 2, 5: 3} and divisions(20, 5) == {4: 5}


@pytest.mark.parametrize(("count", "size"), [(2, 9), (3, 6), (4, 4)])
def test_spreads_are_those_of_all_counts(count: int, size: int) -> None:
    scores = np.array(list(product(range(size + 1), repeat=count))) / size
    means = np.round(scores.mean(axis=1), 3)
    for ddof in (0, 1):
        spreads = scores.std(axis=1, ddof=ddof)
        for mean in np.unique(means):
            there = spreads[means == mean]
            assert there.max() <= largest_std(mean - 0.0005, mean + 0.0005, count) + 1e-9
            for spread in np.unique(np.round(there, 3)):
                assert std_reaches(Printed.of(f"{mean:.3f}"), Printed.of(f"{spread:.3f}"), count=count, size=size)
    # What no counts give is found for two and three scores without exception.
    every = {(m, round(s, 3)) for ddof in (0, 1) for m, s in zip(means, scores.std(axis=1, ddof=ddof), strict=True)}
    tried = [(m, k / 1000) for m in np.unique(means)[::3] for k in range(0, 500, 7)]
    wrong = [
        one
        for one in tried
        if one not in every
        and std_reaches(Printed.of(f"{one[0]:.3f}"), Printed.of(f"{one[1]:.3f}"), count=count, size=size)
        and not any(m == one[0] and abs(s - one[1]) < 0.0011 for m, s in every)
    ]
    assert len(tried) > 400 and (not wrong if count < 4 else len(wrong) < 0.02 * len(tried))


def test_what_would_take_too_long_counts_as_possible():
    sizes = [(size, size) for size in (101, 103, 107, 109)]
    assert Mean(tuple(sizes), 4).reaches(Fraction("0.912345678"), Fraction("0.912345679"))
