"""Cramér's V, against its definition and where it is undefined."""

from __future__ import annotations

import numpy as np
import pytest

from harness.protocols.association import cramers_v


def test_values_that_determine_each_other() -> None:
    assert cramers_v([0, 1] * 10, ["x", "y"] * 10) == pytest.approx(1.0)
    assert cramers_v([0, 1, 2] * 10, ["x", "y", "z"] * 10) == pytest.approx(1.0)
    # Every site has one label, but a label has several sites.
    assert cramers_v([0, 0, 1, 1] * 10, ["a", "b", "c", "d"] * 10) == pytest.approx(1.0, abs=0.05)


def test_independent_values() -> None:
    assert cramers_v([0, 0, 1, 1] * 5, ["x", "y"] * 10) == 0.0


def test_a_known_table() -> None:
    # 2 x 2 with 30, 10, 10, 30: phi squared is .25; corrected as in Bergsma 2013, equation 9.
    one = [0] * 40 + [1] * 40
    other = [0] * 30 + [1] * 10 + [0] * 10 + [1] * 30
    assert cramers_v(one, other) == pytest.approx(np.sqrt((0.25 - 1 / 79) / (1 - 1 / 79)))
    assert cramers_v(other, one) == pytest.approx(cramers_v(one, other))


@pytest.mark.parametrize(
    ("one", "other"), [([], []), ([0], [1]), ([0, 1], [0, 1]), ([0, 1, 1], "aaa"), ([0] * 5, "abcde")]
)
def test_where_it_is_undefined(one, other) -> None:
    assert cramers_v(one, list(other)) is None


def test_many_sites_by_chance_are_not_taken_for_an_association() -> None:
    draw = np.random.default_rng(0)
    found = [cramers_v(draw.integers(0, 2, 60).tolist(), draw.integers(0, 20, 60).tolist()) for _ in range(200)]
    assert np.mean([value or 0.0 for value in found]) < 0.15
