"""Tables as spreadsheets leave them: what can be read in one way is read, the rest is refused with its line."""

from __future__ import annotations

import codecs
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import DataError
from harness.datasets import csv_text, records
from harness.datasets.table import read_table, write_table

NEEDED = ("slide", "label", "patient")
EXPECTED = [("S1", "a", "P1"), ("S2", "b", "P2")]


def put(folder: Path, content: str | bytes) -> Path:
    path = folder / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def cells(path: Path, needed: tuple[str, ...] = NEEDED) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in needed) for row in read_table(path, needed)]


def refusal(path: Path, needed: tuple[str, ...] = NEEDED) -> DataError:
    with pytest.raises(DataError) as error:
        read_table(path, needed)
    assert str(path) in error.value.place
    return error.value


PLAIN = "slide,label,patient\nS1,a,P1\nS2,b,P2\n"


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_delimiters_and_ends_of_lines(tmp_path: Path, sign: str, end: str, mark: bytes) -> None:
    assert cells(put(tmp_path, mark + PLAIN.replace(",", sign).replace("\n", end).encode())) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    assert cells(put(tmp_path, PLAIN.replace("S1", "Sé").encode(encoding)))[0][0] == "Sé"


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nslide;label;patient\nS1;a;P1\nS2;b;P2\n",
        'SEP=;\r\n"slide";"label";"patient"\r\n"S1";"a";"P1"\r\n"S2";"b";"P2"\r\n',
        '"sep=;"\nslide;label;patient\nS1;a;P1\nS2;b;P2\n',
        "sep=,\nslide,label,patient\nS1,a,P1\nS2,b,P2\n",
        "sep=\t\nslide\tlabel\tpatient\nS1\ta\tP1\nS2\tb\tP2\n",
        "sep=;;;\nslide;label;patient\nS1;a;P1\nS2;b;P2\n",
        "slide,label,patient,,,\nS1,a,P1,,,\nS2,b,P2,,\n,,,,,\n",
        "slide,label,patient\nS1,a,P1,,\nS2,b,P2,\n",
        "\n\n,,\nslide,label,patient\n\nS1,a,P1\n,,\n  , ,\nS2,b,P2\n\n\n",
        ",slide,label,patient\n1,S1,a,P1\n2,S2,b,P2\n",
        "slide,,label,patient\nS1,,a,P1\nS2,,b,P2\n",
        "\ufeff\u200bslide , label\u00a0,patient\nS1,a,P1\nS2,b,P2\n",
        "slide;label;patient;time\nS1;a;P1;12,5\nS2;b;P2;1,5\n",
        'slide;label;note, with a comma;patient\nS1;a;"x;y";P1\nS2;b;"z\nz";P2\n',
    ],
)
def test_what_spreadsheets_leave_behind_is_read(tmp_path: Path, text: str) -> None:
    assert cells(put(tmp_path, text)) == EXPECTED


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("slide;label;patent\nS1;a;P1\n", ["no column 'patient'", "'patent'", "semicolons"]),
        ('"slide";"label"\n"S1";"a"\n', ["no column 'patient'", "semicolons"]),
        ("slide,label,patient\nS1,a,P1\nS2;b;P2\n", ["line 3", "1 cells where the header has 3"]),
        ("slide,label,patient\nS1,a\n", ["line 2", "2 cells"]),
        ("slide,label,patient\nS1,12,5,P1\n", ["line 2", "4 cells"]),
        ("slide,label,patient,\nS1,a,P1,x\n", ["line 2"]),
        ("slide,,label,patient\nS1,x,a,P1\n", ["line 2", "without a name"]),
        ("slide,label,patient\nS1,a,P1\n\n\nS2,b\n", ["line 5"]),
        ('slide,label,patient\nS1,"a\nb",P1\nS2,b\n', ["line 4"]),
        ("sep=:\nslide:label:patient\n", ["delimiter"]),
        ("slide,label,patient\nS1,a\x00,P1\n", ["line 2", "zero bytes"]),
        (PLAIN.replace("S2", "Sé").encode("latin-1"), ["line 3", "UTF-8", "cannot be read"]),
        (PLAIN.encode("utf-16-le"), ["zero bytes", "UTF-8"]),
        (PLAIN.encode("utf-16")[:-1], ["cannot be read"]),
        (b"\x00\x01\x02\xff", ["cannot be read"]),
        ("", ["no column 'slide'"]),
        ("\n\n;;\n", ["no column 'slide'"]),
        ("slide,label,patient,label\nS1,a,P1,b\n", ["'label' stands twice"]),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(tmp_path: Path, content: str | bytes, words: list[str]) -> None:
    error = str(refusal(put(tmp_path, content)))
    for word in words:
        assert word in error


def test_a_single_column_needs_no_delimiter(tmp_path: Path) -> None:
    assert cells(put(tmp_path, "slide\nS1\nS 2; or 3\n"), ("slide",)) == [("S1",), ("S 2; or 3",)]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), Path("/dev/stdin")):
        if path.exists() and not path.is_file():
            refusal(path)
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    refusal(tmp_path / "link")


@pytest.mark.parametrize(
    "text",
    [
        "slide,label,patient" + "".join(f",c{k}" for k in range(100_000)) + "\n" + "," * 100_002 + "\n",
        "slide,label,patient\n" + "x," * 100_000 + "\n",
        "slide,label,patient\nS1,a," + "x" * 2_000_000 + "\n",
        "slide,label,patient\nS1,a," + '"' * 1_000_001 + "\n",
        "," * 100_000 + "\n" + PLAIN,
        "slide,label,patient\n" + "," * 5_000_000 + "\n",
        "\n" * 2_500_000 + PLAIN,
    ],
)
def test_wide_tables_and_long_cells_are_refused_at_once(tmp_path: Path, text: str) -> None:
    start = time.process_time()
    refusal(put(tmp_path, text))
    assert time.process_time() - start < 5


def test_large_files_and_many_cells_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, PLAIN)
    monkeypatch.setattr(records, "MOST_CELLS", 8)
    assert "more than 8 cells" in refusal(path).problem
    monkeypatch.setattr(csv_text, "LARGEST_FILE", 20)
    assert "cannot be read" in refusal(path).problem


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=6).map(str.strip)


@given(st.lists(st.tuples(TEXT.filter(bool), TEXT, TEXT), min_size=1, max_size=6))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]) -> None:
    path = tmp_path_factory.mktemp("tables") / "t.csv"
    write_table(path, NEEDED, rows)
    assert cells(path) == rows
