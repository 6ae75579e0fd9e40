"""Tables in text files: encoding, delimiter, and what spreadsheets leave behind.

What can be read in one way only is read; all else is refused with its line. Nothing is guessed from the frequency of
characters: a delimiter is right if it parts the header into the columns that are needed.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from harness.core.errors import DataError
from harness.core.reading import MEBIBYTE
from harness.datasets.records import Records, check_size

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
LARGEST_FILE = 64 * MEBIBYTE
LONGEST_CELL = 1_000_000
"""Characters."""
LONGEST_LINE = 4_000_000
MOST_LINES = 2_000_000
_LEGACY = "cp1252"
"""What Windows calls ANSI: Latin-1, with letters and signs in place of its second set of control characters."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATOR = re.compile(r'"?sep=(?P<sign>.)"?[,;\t|]*', re.IGNORECASE)
_SAVE = "save it as a CSV file in UTF-8"


def readings(content: bytes, path: Path, *, legacy: bool = False) -> tuple[dict[str, Records], tuple[str, ...]]:
    """The ways in which the bytes of a table can be read.

    Args:
        content: the bytes.
        path: where they are from, for errors.
        legacy: read what is not UTF-8 as Windows-1252 instead of refusing it.

    Returns:
        Name of a delimiter (``commas``) → records; and what had to be assumed, one sentence each.

    Raises:
        DataError: too many lines, or no text.
    """
    text, notes = _text(content, path, legacy=legacy)
    declared = _declared(text, path)
    signs = [declared] if declared else list(DELIMITERS)
    return {DELIMITERS[sign]: partial(_records, text, sign, path) for sign in signs}, notes


def _text(content: bytes, path: Path, *, legacy: bool) -> tuple[str, tuple[str, ...]]:
    if content.count(b"\n") > MOST_LINES:
        raise DataError(
            f"the table has more than {MOST_LINES:,} lines", place=str(path), fix="leave out what is not needed"
        )
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    notes: tuple[str, ...] = ()
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as reason:
        line = content.count(b"\n", 0, reason.start) + 1
        try:
            if not legacy or encoding != "utf-8":
                raise reason
            text = content.decode(_LEGACY)
            written = text.splitlines()[line - 1].strip()[:60]
            notes = (f"The table is not UTF-8 and was read as Windows-1252 (Latin-1); line {line}: {written!r}.",)
        except UnicodeDecodeError:
            raise DataError(
                f"the table cannot be read: byte 0x{content[reason.start]:02x} is not {encoding.upper()} (is it "
                "Latin-1?)",
                place=f"{path}, line {line}",
                fix=_SAVE,
            ) from reason
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(
            "the table cannot be read: it holds zero bytes, as in files in UTF-16 without a byte order mark",
            place=f"{path}, line {line}",
            fix=_SAVE,
        )
    return text, notes


def _declared(text: str, path: Path) -> str:
    """The delimiter that a first line ``sep=;`` names, as spreadsheets understand it; empty without such a line."""
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    if not (named := _SEPARATOR.fullmatch(first.strip("\r\n "))):
        return ""
    if named["sign"] not in DELIMITERS:
        raise DataError(
            f"the table names {named['sign']!r} as its delimiter",
            place=str(path),
            fix=f"separate its cells with one of: {', '.join(DELIMITERS.values())}",
        )
    return named["sign"]


def _lines(text: str, path: Path) -> Iterator[str]:
    """The lines, with their ends; none so long that its cells would fill the memory."""
    for number, line in enumerate(io.StringIO(text, newline=""), 1):
        if len(line) > LONGEST_LINE:
            raise DataError(
                f"a line has more than {LONGEST_LINE:,} characters",
                place=f"{path}, line {number}",
                fix="leave out what the label table does not need; features do not belong into it",
            )
        yield line


def _records(text: str, sign: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line that it starts in, cells) of everything that is not blank, without a first line ``sep=;``."""
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(_lines(text, path), delimiter=sign, strict=True)
    start, seen, first = 1, 0, True
    try:
        for cells in reader:
            seen += len(cells)
            check_size(len(cells), seen, f"{path}, line {start}")
            if any(cell.strip() for cell in cells):
                if not (first and _SEPARATOR.fullmatch(sign.join(cells).strip("\r\n "))):
                    yield start, cells
                first = False
            start = reader.line_num + 1
    except csv.Error as reason:
        limit = f" (cells may have {LONGEST_CELL:,} characters)" if "limit" in str(reason) else ""
        raise DataError(
            f"the table cannot be read: {reason}{limit}",
            place=f"{path}, line {start}",
            fix="close every quote in the line that it is opened in, and save the table as a CSV file in UTF-8",
        ) from reason
