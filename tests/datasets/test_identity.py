"""Which spellings are one name, and which are not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import DataError
from harness.datasets.identity import check_spellings, did_you_mean, identity, spelling
from harness.datasets.missing import WORDS, is_missing

SAME = [
    ("P00", "p00"),
    ("007", "7"),
    ("P007", "P7"),
    ("17", "17.0"),
    ("017", "17.00"),
    ("Müller", unicodedata.normalize("NFD", "Müller")),
    ("P 1", "P1"),
    ("P  1", "P 1"),
    (" P1 ", "P1"),
    ("P\u00a01", "P 1"),
    ("P1\u200b", "P1"),
    ("\ufeffP1", "P1"),
    ("P\u00ad1", "P1"),
    ("P1\u202c", "P1"),
    ("Ｐ１", "P1"),
    ("P\u20131", "P-1"),
    ("P\u22121", "P-1"),
    ("A - 1", "A-1"),
    ("O\u2019Neil", "O'Neil"),
    ("Straße", "STRASSE"),
    ("11 02", "11 2"),
]
DIFFERENT = [
    ("S00", "S00.2"),
    ("P1", "P10"),
    ("P10", "P100"),
    ("1 21", "12 1"),
    ("A-1", "A1"),
    ("A_1", "A1"),
    ("17", "17.5"),
    ("1", "1,000"),
    ("TCGA-A1-A0SB", "TCGA-A1-ASB"),
    ("P0", "P"),
    ("a", "ä"),
    ("कि", "का"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_name_in_two_spellings(one: str, other: str) -> None:
    assert identity(one) == identity(other)
    with pytest.raises(DataError) as error:
        check_spellings([(one, 2), ("else", 3), (other, 7)], "patient", place="table", fix="declare it")
    assert "lines 2 and 7" in error.value.place
    shown = error.value.problem.split(" differ")[0].split(" and ")
    assert len(set(shown)) == 2
    assert all(text.isascii() or text.isprintable() for text in shown)
    check_spellings([(one, 2), (other, 7)], "patient", place="", fix="", distinct=True)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_names(one: str, other: str) -> None:
    assert identity(one) != identity(other)
    check_spellings([(one, 2), (other, 3), (one, 4)], "patient", place="", fix="")


def test_files_are_compared_by_letter_case_and_composition_alone() -> None:
    assert spelling("Präparat") == spelling(unicodedata.normalize("NFD", "PRÄPARAT"))
    assert spelling("S01") != spelling("S1")
    with pytest.raises(DataError):
        check_spellings([("S1", 2), ("s1", 3)], "slide", place="", fix="", distinct=True)
    check_spellings([("S1", 2), ("S01", 3)], "slide", place="", fix="", distinct=True)


@given(st.text(max_size=12))
def test_the_compared_form_is_stable(text: str) -> None:
    assert identity(text) == identity(unicodedata.normalize("NFD", text)) == identity(f" {text}\u200b ")
    assert spelling(spelling(text)) == spelling(text) == spelling(unicodedata.normalize("NFD", text))


def test_the_name_that_is_meant() -> None:
    assert "'S01' for 's 1'" in did_you_mean("s 1", ["S02", "S01", "S11"])
    assert did_you_mean("zzz", ["abc"]) == ""


@pytest.mark.parametrize("text", ["", " ", "na", "n/a", "N/A ", "nan", "NULL", "none", "\u2013", "-", "?", *WORDS])
def test_missing_values(text: str) -> None:
    assert is_missing(text)


@pytest.mark.parametrize("text", ["0", "normal", "nana", "no", "negative", "-1", "A", "unknown primary", "Naomi"])
def test_values(text: str) -> None:
    assert not is_missing(text)
