"""Tables in Excel workbooks (``.xlsx``), read with openpyxl: values as they are shown, never formulas."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataError
from harness.core.reading import MEBIBYTE
from harness.datasets.records import Records, check_size

if TYPE_CHECKING:
    from openpyxl.cell.read_only import ReadOnlyCell

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_UNPACKED = 512 * MEBIBYTE
_ZEROS = re.compile(r"0+")
_SAVE = "save the sheet with the labels as CSV in UTF-8, or as .xlsx"


def is_workbook(content: bytes) -> bool:
    """Whether these bytes are a workbook, to judge by their beginning; old ones (``.xls``) are too."""
    return content.startswith((_ZIP, _OLE))


def sheet_records(content: bytes, path: Path) -> Records:
    """The lines of the only sheet of a workbook that holds anything.

    Raises:
        DataError: it is damaged, of another kind, several sheets hold something, or openpyxl is not installed.
    """
    _check(content, path)
    try:
        import openpyxl
    except ImportError as reason:
        raise DataError(
            "reading an Excel workbook needs the package openpyxl",
            place=str(path),
            fix="pip install 'wsibench[xlsx]', or save the table as CSV in UTF-8",
        ) from reason
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        found = {sheet.title: list(_records(sheet.iter_rows(), path)) for sheet in book.worksheets}
    except DataError:
        raise
    except Exception as reason:  # openpyxl raises whatever its parsers do
        raise DataError(f"the workbook cannot be read: {str(reason)[:200]}", place=str(path), fix=_SAVE) from reason
    filled = [name for name, lines in found.items() if lines]
    if len(filled) > 1:
        raise DataError(
            f"{len(filled)} sheets of the workbook hold something: {', '.join(filled[:5])}", place=str(path), fix=_SAVE
        )
    lines = found[filled[0]] if filled else []
    return lambda: iter(lines)


def _check(content: bytes, path: Path) -> None:
    """Refuse other files that begin as workbooks do, and those that would fill the memory."""
    if content.startswith(_OLE):
        raise DataError("the table is in the format of old Excel versions (.xls)", place=str(path), fix=_SAVE)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names, size = set(archive.namelist()), sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as reason:
        raise DataError(f"the workbook is damaged: {reason}", place=str(path), fix=_SAVE) from reason
    if "xl/workbook.xml" not in names:
        raise DataError("the table is an archive, and no Excel workbook", place=str(path), fix=_SAVE)
    if size > _UNPACKED:
        raise DataError(f"the workbook would unpack to {size:,} bytes", place=str(path), fix=_SAVE)


def _records(rows: Iterator[tuple[ReadOnlyCell, ...]], path: Path) -> Iterator[tuple[int, list[str]]]:
    """(row number, cells) of the rows that hold anything, without the cells behind the last one that does.

    A workbook may have formatted a million rows that are empty.
    """
    seen = 0
    for line, row in enumerate(rows, 1):
        cells = [_text(cell.value, str(cell.number_format or "")) for cell in row]
        while cells and not cells[-1].strip():
            cells.pop()
        seen += len(cells)
        check_size(len(cells), seen, f"{path}, row {line}")
        if cells:
            yield line, cells


def _text(value: Any, number_format: str) -> str:
    """A cell as a CSV file would have it: whole numbers without a point, dates as ISO, zeros as the format shows."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, datetime) and (value.hour, value.minute, value.second) == (0, 0, 0):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    text = repr(value) if isinstance(value, float) else str(value)
    return text.zfill(len(number_format)) if isinstance(value, int) and _ZEROS.fullmatch(number_format) else text
