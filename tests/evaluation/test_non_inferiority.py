"""The verdict is that of where the interval lies."""

from __future__ import annotations

import math

import pytest

from harness.evaluation.non_inferiority import non_inferiority


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.04, "superior"),
        (0.001, 0.01, "superior"),
        (-0.01, 0.015, "equivalent"),
        (-0.01, 0.03, "non-inferior"),
        (-0.03, 0.01, "undecided"),
        (-0.02, 0.01, "undecided"),
        (-0.05, -0.03, "inferior"),
        (-0.05, -0.01, "undecided"),
        (-0.015, -0.005, "equivalent"),
        (math.nan, math.nan, "undecided"),
    ],
)
def test_verdicts(low: float, high: float, verdict: str) -> None:
    found = non_inferiority(low, high, 0.02)
    assert found.verdict == verdict
    assert found.non_inferior == (low > -0.02)
    mirrored = non_inferiority(-high, -low, 0.02, lower_is_better=True)
    assert mirrored == found


@pytest.mark.parametrize("margin", [0.0, -0.1, math.nan, math.inf])
def test_a_margin_is_a_positive_number(margin: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        non_inferiority(0.0, 0.1, margin)
