"""Tables as CSV, JSON, LaTeX and Markdown: every digit for programs, what is shown for readers, names as they are."""

from __future__ import annotations

import csv
import io
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.table import Column, Table
from harness.core.table_text import WRITERS, csv_text, json_text, latex_text, markdown_text

TABLE = Table(
    "scores of a_b",
    [
        Column("method"),
        Column("AUC [95 % interval]", ("auc", "low"), lambda auc, low: f"{auc:.3f} [{low:.1f}]", right=True),
    ],
    [{"method": "a_1 & b", "auc": 1 / 3, "low": 0.1 + 0.2, "n": 7}, {"method": "[x]"}],
    "ranked by AUC",
)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_and_json_keep_every_digit_and_what_no_column_shows() -> None:
    first, second = rows_of(csv_text([TABLE]))
    assert (float(first["auc"]), float(first["low"]), first["n"]) == (1 / 3, 0.1 + 0.2, "7")
    assert second == {"method": "[x]", "auc": "", "low": "", "n": ""}
    one, other = json.loads(json_text([TABLE]))
    assert one == {"method": "a_1 & b", "auc": 1 / 3, "low": 0.1 + 0.2, "n": 7}
    assert other == {"method": "[x]", "auc": None, "low": None, "n": None}


def test_readers_are_shown_what_the_columns_say() -> None:
    assert TABLE.cells() == [["a_1 & b", "0.333 [0.3]"], ["[x]", ""]]
    latex, markdown = latex_text([TABLE]), markdown_text([TABLE])
    assert r"a\_1 \& b & 0.333 [0.3] \\" in latex and r"\begin{tabular}{lr}" in latex
    assert r"AUC [95 \% interval]" in latex
    assert "\n{}[x] & " in latex, "a bracket behind a line break would be its argument"
    assert "| a_1 &amp; b | 0.333 \\[0.3\\] |" in markdown and "|---|---:|" in markdown


def test_several_tables_are_one_in_csv_and_json() -> None:
    other = Table("broken", [Column("method"), Column("reason")], [{"method": "c", "reason": "no"}])
    rows = rows_of(csv_text([TABLE, other]))
    assert [row["reason"] for row in rows] == ["", "", "no"] and list(rows[0])[-1] == "reason"
    assert len(json.loads(json_text([TABLE, other]))) == 3
    assert latex_text([TABLE, other]).count(r"\begin{tabular}") == 2


def test_undefined_numbers_are_empty_and_lists_are_one_cell() -> None:
    table = Table("t", [], [{"a": math.nan, "b": ["x", "y"], "c": True, "d": math.inf, "e": None}])
    assert rows_of(csv_text([table])) == [{"a": "", "b": "x; y", "c": "true", "d": "", "e": ""}]
    assert json.loads(json_text([table])) == [{"a": None, "b": ["x", "y"], "c": True, "d": None, "e": None}]


@given(st.floats(allow_nan=False, allow_infinity=False), st.text())
def test_what_is_written_reads_back_and_breaks_no_line(value: float, text: str) -> None:
    table = Table("t", [Column("name"), Column("value")], [{"name": text, "value": value}])
    (row,) = rows_of(csv_text([table]))
    assert float(row["value"]) == value
    assert not row["name"].startswith(("=", "@"))
    assert json.loads(json_text([table]))[0]["value"] == value
    for write, cells in ((latex_text, " & "), (markdown_text, " | ")):
        (line,) = [one for one in write([table]).splitlines() if one.endswith((r" \\", " |"))][1:]
        assert len(re.findall(r"(?<!\\)" + re.escape(cells.strip()), line)) == {" & ": 1, " | ": 3}[cells], line


@pytest.mark.parametrize("form", WRITERS)
def test_a_table_without_rows_is_written(form: str) -> None:
    assert WRITERS[form]([Table("t", [Column("a")], [])]).strip()
