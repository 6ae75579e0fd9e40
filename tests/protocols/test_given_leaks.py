from __future__ import annotations

import pytest

from harness.core.errors import LeakError
from harness.datasets.splits import Fold
from harness.protocols.given_leaks import check_given

PATIENTS = {f"{patient}{n}": patient for patient in "abcde" for n in "12"}
CLEAN = Fold(0, 0, ("a1", "a2"), ("b1",), ("c1",))
ONE = Fold(0, 1, ("a1", "d1"), ("b1", "a2"), ("c1", "d2"))
SLIDE = Fold(0, 2, ("a1",), ("b1",), ("a1",))


def test_patients_that_leak_are_counted_over_all_folds() -> None:
    with pytest.raises(LeakError) as error:
        check_given([CLEAN, ONE], PATIENTS, place="there", allowed=False)
    assert "2 of 4 patients" in error.value.problem and "r0f1 2" in error.value.problem
    assert (error.value.place, "--allow-leaks" in error.value.fix) == ("there", True)


def test_what_is_allowed_is_said() -> None:
    assert check_given([CLEAN], PATIENTS, place="", allowed=True) == ""
    assert "2 of 4 patients" in check_given([CLEAN, ONE], PATIENTS, place="", allowed=True)


def test_a_slide_on_two_sides_is_never_allowed() -> None:
    with pytest.raises(LeakError, match="slide a1"):
        check_given([SLIDE], PATIENTS, place="", allowed=True)
