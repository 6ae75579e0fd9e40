"""Thinned curves stay where they are."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.tasks.thinning import thinned


@given(st.lists(st.floats(0, 1), min_size=2, max_size=60))
def test_a_thinned_curve_is_nowhere_further_off_than_the_tolerance(values: list[float]) -> None:
    x, y = np.linspace(0, 1, len(values)), np.array(values)
    a, b = thinned(x, y, 0.05)
    assert (a[0], a[-1]) == (0, 1) and len(a) <= len(x)
    assert np.abs(np.interp(x, a, b) - y).max() <= 0.05 + 1e-9
