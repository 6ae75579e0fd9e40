from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import DataError
from harness.datasets.splits import Fold, read_splits, write_splits

HEAD = "repeat,fold,slide,part\n"


def test_hash_is_that_of_the_bytes(tiny) -> None:
    splits = tiny.splits()
    assert splits.sha256 == hashlib.sha256(splits.path.read_bytes()).hexdigest()
    assert splits.folds == (
        Fold(0, 0, ("normal_001", "normal_002", "tumor_001"), ("tumor_002",), ("test_001", "test_002")),
    )
    assert splits.folds[0].name == "r0f0"


def test_folds_come_by_repeat_and_fold_whatever_the_order_of_lines(tmp_path) -> None:
    path = tmp_path / "s.csv"
    lines = [f"{r},{f},{s},{p}" for r, f in ((1, 0), (0, 10), (0, 2)) for s, p in (("a", "train"), ("b", "test"))]
    path.write_text(HEAD + "\n".join(lines), encoding="utf-8")
    assert [(fold.repeat, fold.fold) for fold in read_splits(path).folds] == [(0, 2), (0, 10), (1, 0)]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("0,0,a,train\n0,0,b,tset\n", ["unknown part 'tset'", "'test'", "line 3, column part"]),
        ("0,0,a,train\n0,0,a,test\n", ["slide a stands twice", "in train and in test", "line 3"]),
        ("0,0,a,train\n0,0,a,train\n0,0,b,test\n", ["slide a stands twice"]),
        ("0,zero,a,train\n", ["'zero' is not a fold number", "line 2, column fold"]),
        ("-1,0,a,train\n", ["'-1' is not a repeat number"]),
        ("0,0,a,train\n", ["has no test slides"]),
        ("0,0,a,test\n", ["has no train slides"]),
        ("0,0,,train\n", ["without slide"]),
        ("0,0,a,train\n0,0,normal_9,test\n", ["1 slide that the label table does not know: normal_9", "'normal_1'"]),
    ],
)
def test_wrong_split_files_are_refused(tmp_path, lines: str, words: list[str]) -> None:
    path = tmp_path / "s.csv"
    path.write_text(HEAD + lines, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_splits(path, {"a", "b", "normal_1"})
    for word in words:
        assert word in str(error.value)


def test_slides_in_another_spelling(tmp_path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(HEAD + "0,0,S00,train\n0,0,PRA\u0308P,test\n", encoding="utf-8")
    assert read_splits(path, {"s00", "präp"}).folds == (Fold(0, 0, ("s00",), (), ("präp",)),)
    path.write_text(HEAD + "0,0,S00,train\n0,0,s00,test\n", encoding="utf-8")
    with pytest.raises(DataError, match="slide s00 stands twice"):
        read_splits(path, {"s00", "präp"})
    path.write_text(HEAD + "0,0,s00,train\n0,0,s0,test\n", encoding="utf-8")
    with pytest.raises(DataError, match="does not know: s0") as error:
        read_splits(path, {"s00", "präp"})
    assert "'s00' for 's0'" in error.value.fix
    assert "line 3" in error.value.place


def test_a_slide_may_be_left_out_of_a_fold_and_return_in_another(tmp_path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(HEAD + "0,0,a,train\n0,0,b,test\n0,1,a,train\n0,1,c,test\n", encoding="utf-8")
    assert [fold.test for fold in read_splits(path).folds] == [("b",), ("c",)]


names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@given(st.lists(names, min_size=2, max_size=9, unique=True), st.integers(0, 3), st.data())
def test_what_is_written_is_read_back(tmp_path_factory, slides: list[str], repeat: int, data) -> None:
    cut = data.draw(st.integers(1, len(slides) - 1))
    val = data.draw(st.integers(cut, len(slides) - 1))
    fold = Fold(repeat, 0, tuple(slides[:cut]), tuple(slides[cut:val]), tuple(slides[val:]))
    path = tmp_path_factory.mktemp("splits") / "s.csv"
    write_splits(path, [fold])
    assert read_splits(path, slides).folds == (fold,)
