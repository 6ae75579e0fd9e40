from __future__ import annotations

import pytest

from harness.core.errors import DataError, LeakError
from harness.datasets.splits import Fold
from harness.protocols.audit import audit, audit_stage

FOLD = Fold(2, 3, ("a1", "a2", "b1"), ("c1", "d1"), ("e1", "f1"))
PATIENTS = {slide: slide[0] for _, part in FOLD.parts() for slide in part}
CONTENT = {slide: f"content of {slide}" for slide in PATIENTS}


def leak(fold: Fold = FOLD, patients=PATIENTS, content=CONTENT) -> LeakError:
    with pytest.raises(LeakError) as error:
        audit(fold, patients, content)
    assert error.value.place == "repeat 2, fold 3"
    return error.value


def test_a_clean_fold_passes_without_warning() -> None:
    assert audit(FOLD, PATIENTS, CONTENT) == ()
    assert audit(FOLD, PATIENTS, None) == ()


@pytest.mark.parametrize(
    ("fold", "words"),
    [
        (Fold(2, 3, ("a1", "b1"), ("c1",), ("b1",)), "slide b1 is in train and in test"),
        (Fold(2, 3, ("a1",), ("c1",), ("c1", "e1")), "slide c1 is in val and in test"),
        (Fold(2, 3, ("a1", "d1"), ("d1",), ("e1",)), "slide d1 is in train and in val"),
    ],
)
def test_the_same_slide_on_two_sides(fold: Fold, words: str) -> None:
    assert leak(fold).problem == f"the split leaks: {words}"


@pytest.mark.parametrize(
    ("slide", "patient", "words"),
    [
        ("e1", "a", "patient a is in train (a1, a2) and in test (e1)"),
        ("d1", "b", "patient b is in train (b1) and in val (d1)"),
        ("f1", "c", "patient c is in val (c1) and in test (f1)"),
    ],
)
def test_the_same_patient_on_two_sides(slide: str, patient: str, words: str) -> None:
    assert leak(patients=PATIENTS | {slide: patient}).problem == f"the split leaks: {words}"


@pytest.mark.parametrize(
    ("slide", "twin", "words"),
    [
        ("f1", "b1", "the same content is in train (b1) and in test (f1)"),
        ("c1", "a2", "the same content is in train (a2) and in val (c1)"),
        ("e1", "d1", "the same content is in val (d1) and in test (e1)"),
    ],
)
def test_the_same_content_under_two_names(slide: str, twin: str, words: str) -> None:
    assert leak(content=CONTENT | {slide: CONTENT[twin]}).problem == f"the split leaks: {words}"


def test_all_leaks_are_named() -> None:
    problem = leak(patients=PATIENTS | {"e1": "a"}, content=CONTENT | {"f1": CONTENT["c1"]}).problem
    assert "patient a" in problem
    assert "and 1 more: the same content is in val (c1) and in test (f1)" in problem


def test_copies_inside_one_part_are_a_warning() -> None:
    warnings = audit(FOLD, PATIENTS, CONTENT | {"a2": CONTENT["a1"]})
    assert warnings == ("identical content inside train of repeat 2, fold 3: a1, a2",)


def test_slides_that_the_label_table_does_not_know() -> None:
    with pytest.raises(DataError, match=r"1 slides.* label table .*: f1"):
        audit(FOLD, {slide: patient for slide, patient in PATIENTS.items() if slide != "f1"}, CONTENT)


@pytest.mark.parametrize("content", [{}, CONTENT | {"a1": ""}])
def test_unknown_content_is_not_taken_for_different_content(content) -> None:
    with pytest.raises(DataError, match=r"unknown.*: a1"):
        audit(FOLD, PATIENTS, content)


def test_a_stage_may_have_seen_train_only() -> None:
    audit_stage(FOLD, ["a1", "b1"], stage="the encoder")
    audit_stage(FOLD, ["a1", "c1"], stage="the encoder", allowed=("train", "val"))
    with pytest.raises(LeakError) as error:
        audit_stage(FOLD, ["a1", "c1", "e1", "z9"], stage="the encoder")
    assert error.value.problem.endswith("3 slides that it must not have seen: c1 (val), e1 (test), z9 (in no part)")


def test_leaks_that_are_allowed_are_a_warning_with_the_number_of_patients() -> None:
    fold = Fold(0, 0, ("a1", "b1", "c1"), ("a2",), ("b2", "d1"))
    content = dict.fromkeys(("c1", "d1"), "same") | {"a1": "1", "b1": "2", "a2": "3", "b2": "4"}
    patients = {slide: slide[0] for slide in content}
    with pytest.raises(LeakError, match="2 of 4 patients"):
        audit(fold, patients, content)
    (warning,) = audit(fold, patients, content, allowed=True)
    assert "2 of 4 patients" in warning and "same content" in warning
    with pytest.raises(LeakError, match="slide a1"):
        audit(Fold(0, 0, ("a1",), (), ("a1", "a2")), patients, content, allowed=True)
