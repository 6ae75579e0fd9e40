"""The folds of one repeat test each slide and patient once."""

from __future__ import annotations

import pytest

from harness.core.errors import LeakError
from harness.datasets.dataset import load_dataset
from harness.datasets.splits import Fold
from harness.protocols.audit import audit
from harness.protocols.audit_repeats import audit_repeats, in_no_fold
from harness.protocols.audit_study import audit_study
from harness.protocols.verify import verify

PATIENTS = {slide: slide[0] for slide in ("a1", "a2", "b1", "c1", "d1", "e1")}


def test_a_cross_validation_that_tests_each_slide_once_passes() -> None:
    folds = [Fold(0, 0, ("b1",), ("c1",), ("a1", "a2")), Fold(0, 1, ("a1", "a2"), ("c1",), ("b1",))]
    folds.append(Fold(0, 2, ("a1", "a2"), ("b1",), ("c1",)))
    assert audit_repeats(folds, PATIENTS) == ()
    # Another repeat tests them again.
    assert audit_repeats([*folds, Fold(1, 0, ("b1",), (), ("a1",))], PATIENTS) == ()


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (("a1", "b1"), ("b1", "c1"), "slide b1 in folds 0, 1"),
        (("a1",), ("a2",), "patient a (a1 in fold 0, a2 in fold 1)"),
        (("a1", "a2"), ("a2",), "slide a2 in folds 0, 1"),
    ],
)
def test_what_two_folds_of_one_repeat_test(first, second, words) -> None:
    folds = [Fold(2, 0, ("d1",), (), first), Fold(2, 1, ("e1",), (), second)]
    with pytest.raises(LeakError) as error:
        audit_repeats(folds, PATIENTS)
    assert words in error.value.problem
    assert error.value.place == "repeat 2"


def test_slides_that_a_cross_validation_never_tests_are_said() -> None:
    folds = [Fold(0, 0, ("b1", "d1"), (), ("a1",)), Fold(0, 1, ("a1", "d1"), ("e1",), ("b1",))]
    (warning,) = audit_repeats(folds, PATIENTS)
    assert "never test 2 of the 4 slides" in warning
    assert "d1, e1" in warning
    # One fold is no cross-validation.
    assert audit_repeats(folds[:1], PATIENTS) == ()
    assert in_no_fold(folds, PATIENTS) == ("a2", "c1")


def test_a_slide_twice_in_one_part() -> None:
    with pytest.raises(LeakError, match="slide b1 stands 2 times in test"):
        audit(Fold(0, 0, ("a1",), (), ("b1", "b1")), PATIENTS, None)


def test_study_and_verify_refuse_it(write, release) -> None:
    rows = ["0,0,normal_001,train", "0,0,tumor_001,test", "0,1,test_001,train", "0,1,tumor_001,test"]
    dataset = load_dataset(write(splits="repeat,fold,slide,part\n" + "\n".join(rows) + "\n"))
    with pytest.raises(LeakError, match="slide tumor_001 in folds 0, 1"):
        audit_study(dataset, dataset.splits().folds, None)
    assert any("slide tumor_001" in one.detail for one in verify(dataset, release).findings if one.kind == "split")


def test_a_patient_in_two_test_parts_may_be_allowed_and_a_slide_may_not() -> None:
    folds = [Fold(0, 0, ("b1",), ("c1",), ("a1",)), Fold(0, 1, ("b1",), ("c1",), ("a2",))]
    with pytest.raises(LeakError, match="patient a"):
        audit_repeats(folds, PATIENTS)
    assert "1 patients are tested by several folds" in audit_repeats(folds, PATIENTS, allowed=True)[0]
    with pytest.raises(LeakError, match="slide a1"):
        audit_repeats([folds[0], Fold(0, 1, ("b1",), ("c1",), ("a1",))], PATIENTS, allowed=True)
