"""Excel workbooks: values as they are shown, and what is no workbook."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from harness.core.errors import DataError
from harness.datasets import records
from harness.datasets.table import read_table


def book(path: Path, sheets: dict[str, list[list[object]]]) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
        for cell in sheet["D"][1:] if sheet.max_column > 3 else ():
            cell.number_format = "000"
    made.save(path)
    return path


def test_cells_as_they_are_shown(tmp_path: Path) -> None:
    rows = [
        ["slide", "label", "date", "number", "empty"],
        ["007", 1.0, datetime(2020, 1, 2), 7, None],
        [8, 0.25, "x", 12, None],
        [None, None, None, None, None],
        ["é", True, None, None, "end"],
    ]
    table = read_table(book(tmp_path / "t.xlsx", {"empty": [], "labels": rows}), ("slide", "label"))
    assert [row.values for row in table] == [
        ("007", "1", "2020-01-02", "007", ""),
        ("8", "0.25", "x", "012", ""),
        ("é", "True", "", "", "end"),
    ]
    assert [row.line for row in table] == [2, 3, 5]


def test_a_name_does_not_make_a_workbook(tmp_path: Path) -> None:
    path = book(tmp_path / "t.csv", {"labels": [["slide", "label"], ["a", "b"]]})
    assert [row["slide"] for row in read_table(path, ("slide",))] == ["a"]


def test_rows_and_columns_that_are_only_formatted_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["slide", "label", None, None], *[[None] * 4] * 50, ["a", "b", None, None]]
    monkeypatch.setattr(records, "MOST_CELLS", 4)
    table = read_table(book(tmp_path / "t.xlsx", {"labels": rows}), ("slide", "label"))
    assert [(row.line, row.values) for row in table] == [(52, ("a", "b"))]


def test_several_sheets_are_refused(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", {"one": [["slide"], ["a"]], "two": [["slide"], ["b"]]})
    with pytest.raises(DataError, match="one, two"):
        read_table(path, ("slide",))


def test_missing_columns_and_cells_without_one(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", {"one": [["slide", "lable"], ["a", "b"]]})
    with pytest.raises(DataError, match="no column 'label'") as error:
        read_table(path, ("slide", "label"))
    assert "'lable'" in error.value.fix
    path = book(tmp_path / "u.xlsx", {"one": [["slide", "label"], ["a", "b", "c"]]})
    with pytest.raises(DataError, match="3 cells"):
        read_table(path, ("slide", "label"))


def archive(names: list[str], size: int = 1) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        for name in names:
            made.writestr(name, b"\0" * size)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100, "old Excel versions"),
        (lambda: archive(["features/a.npy"]), "no Excel workbook"),
        (lambda: archive(["xl/workbook.xml"]), "cannot be read"),
        (lambda: archive(["xl/workbook.xml"])[:-10], "damaged"),
        (lambda: archive(["xl/workbook.xml"], size=600 << 20), "would unpack"),
    ],
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: Callable[[], bytes], words: str) -> None:
    if words == "cannot be read":
        pytest.importorskip("openpyxl")
    (tmp_path / "t.xlsx").write_bytes(content())
    with pytest.raises(DataError, match=words) as error:
        read_table(tmp_path / "t.xlsx", ())
    assert str(tmp_path / "t.xlsx") in error.value.place


def test_without_openpyxl_the_error_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.xlsx").write_bytes(archive(["xl/workbook.xml"]))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DataError) as error:
        read_table(tmp_path / "t.xlsx", ())
    assert "openpyxl" in error.value.problem and "pip install" in error.value.fix
