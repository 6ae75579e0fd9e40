"""A table of patients and one of slides."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import DataError
from harness.datasets.table import read_table
from harness.datasets.two_tables import merged


def both(folder: Path, clini: str, slides: str, *, partial: bool = False):
    (folder / "clini.csv").write_text(clini)
    (folder / "slides.csv").write_text(slides)
    tables = [read_table(folder / name, ()) for name in ("clini.csv", "slides.csv")]
    return merged(tables[0], "PATIENT", tables[1], "PATIENT", "FILENAME", partial=partial)


CLINI = "PATIENT,label\nP1,a\nP2,b\n"
SLIDES = "PATIENT,FILENAME\nP2,s2\nP1,s1\nP2,s3\n"


def test_a_line_per_slide_with_the_number_of_its_patients_line(tmp_path: Path) -> None:
    table, left_out = both(tmp_path, CLINI, SLIDES)
    assert [(row.line, row["FILENAME"], row["label"]) for row in table] == [
        (3, "s2", "b"),
        (2, "s1", "a"),
        (3, "s3", "b"),
    ]
    assert (table.columns, left_out) == (("PATIENT", "FILENAME", "label"), ())


@pytest.mark.parametrize(
    ("clini", "slides", "words"),
    [
        (CLINI, SLIDES + "P3,s4\n", ["1 patients of the table of slides", "P3", "slides.csv, line 5"]),
        (CLINI + "P3,a\n", SLIDES, ["1 patients have no line in the table of slides", "P3"]),
        (CLINI + "P1,a\n", SLIDES, ["P1 stands twice", "lines 2 and 4"]),
        (CLINI + "p01,a\n", SLIDES, ["one patient", "lines 2 and 4"]),
        (CLINI, SLIDES + "P1,\n", ["name no slide", "line 5"]),
    ],
)
def test_what_does_not_match_is_refused(tmp_path: Path, clini: str, slides: str, words: list[str]) -> None:
    with pytest.raises(DataError) as error:
        both(tmp_path, clini, slides)
    for word in words:
        assert word in str(error.value)


def test_partial_says_what_it_leaves_out(tmp_path: Path) -> None:
    table, left_out = both(tmp_path, CLINI + "P9,a\n", SLIDES + "P3,s4\n", partial=True)
    assert [row["FILENAME"] for row in table] == ["s2", "s1", "s3"]
    assert [(one.slides, one.source) for one in left_out] == [(("s4",), "slides.csv"), (("P9",), "clini.csv")]
