"""From the bytes of a table to its cells: encoding, delimiter, and what spreadsheets leave behind.

What can be read in one way only is read; all else is refused with its line. Nothing is guessed from the frequency of
characters: a delimiter is right if it parts the header into the columns that are needed.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import DataError
from harness.core.reading import MEBIBYTE, read_bytes
from harness.datasets.identity import did_you_mean, visible

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
LARGEST_FILE = 64 * MEBIBYTE
LONGEST_CELL = 1_000_000
"""Characters."""
LONGEST_LINE = 4_000_000
MOST_COLUMNS = 5_000
MOST_CELLS = 2_000_000
MOST_LINES = 2_000_000
_HEAD = 1 << 18
"""Characters in which the header must stand."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATOR = re.compile(r'"?sep=(?P<sign>.)"?[,;\t|]*', re.IGNORECASE)
_SAVE = "save it as a CSV file in UTF-8"


@dataclass(frozen=True)
class Sheet:
    """The header of a table, and the lines below it that hold anything.

    Attributes:
        columns: names of the columns, without those that have no name.
        rows: (line number, cells), as many cells as columns.
        header: line number of the header.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]
    header: int


def open_sheet(path: Path, required: Sequence[str]) -> Sheet:
    """Read the text of a table and find its header.

    Raises:
        DataError: it is no regular file, too large, no text, or has not the columns that are required.
    """
    text = _text(path)
    head = text[:_HEAD]
    declared = _declared(head, path)
    signs = [declared] if declared else list(DELIMITERS)
    sign, line, names = _choose(head, signs, required, path)
    _check_columns(names, path, line, required, sign)
    positions = [position for position, name in enumerate(names) if name]
    rows = _body(text, sign, path, line, names, positions)
    return Sheet(tuple(names[position] for position in positions), rows, line)


def _choose(text: str, signs: Sequence[str], required: Sequence[str], path: Path) -> tuple[str, int, list[str]]:
    """The delimiter that parts the header into the required columns, else into most; the header's line and names."""
    headers, problems = {}, []
    for sign in signs:
        try:
            headers[sign] = _header(text, sign, path)
        except DataError as problem:  # a quoted cell of one delimiter is no cell of another
            problems.append(problem)
    # No two can fit, unless there is a single column: then any of them will do.
    fitting = [sign for sign in headers if set(required) <= set(headers[sign][1])]
    widest = max(headers, key=lambda sign: len(headers[sign][1]), default="")
    if not fitting and problems and (not widest or len(headers[widest][1]) < 2):
        raise problems[0]
    sign = fitting[0] if fitting and required else widest
    return sign, *headers[sign]


def _text(path: Path) -> str:
    try:
        content = read_bytes(path, limit=LARGEST_FILE)
    except FileNotFoundError as reason:
        raise DataError("the table does not exist", place=str(path), fix="check the path") from reason
    except OSError as reason:
        raise DataError(
            f"the table cannot be read: {reason.strerror}", place=str(path), fix="give the path of a CSV file"
        ) from reason
    if content.count(b"\n") > MOST_LINES:
        raise DataError(
            f"the table has more than {MOST_LINES:,} lines", place=str(path), fix="leave out what is not needed"
        )
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as reason:
        line = content.count(b"\n", 0, reason.start) + 1
        raise DataError(
            f"the table cannot be read: byte 0x{content[reason.start]:02x} is not {encoding.upper()} (is it Latin-1?)",
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
    return text


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
    """(line that it starts in, cells) of everything that is not blank."""
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(_lines(text, path), delimiter=sign, strict=True)
    start, seen = 1, 0
    try:
        for cells in reader:
            seen += len(cells)
            if len(cells) > MOST_COLUMNS or seen > MOST_CELLS:
                limit = f"{MOST_COLUMNS:,} columns" if len(cells) > MOST_COLUMNS else f"{MOST_CELLS:,} cells"
                raise DataError(
                    f"the table has more than {limit}",
                    place=f"{path}, line {start}",
                    fix="leave out what the label table does not need; features do not belong into it",
                )
            if any(cell.strip() for cell in cells):
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as reason:
        limit = f" (cells may have {LONGEST_CELL:,} characters)" if "limit" in str(reason) else ""
        raise DataError(
            f"the table cannot be read: {reason}{limit}",
            place=f"{path}, line {start}",
            fix="close every quote in the line that it is opened in, and save the table as a CSV file in UTF-8",
        ) from reason


def _header(text: str, sign: str, path: Path) -> tuple[int, list[str]]:
    """The first line with anything in it (below ``sep=``): its number, and its names."""
    for line, cells in _records(text, sign, path):
        if not (len(cells) and _SEPARATOR.fullmatch(sign.join(cells).strip("\r\n "))):
            return line, [visible(cell) for cell in cells]
    return 1, []


def _body(
    text: str, sign: str, path: Path, header: int, names: Sequence[str], positions: Sequence[int]
) -> Iterator[tuple[int, list[str]]]:
    width = max(positions, default=-1) + 1
    # R and pandas write the numbers of the rows into a first column without a name.
    unnamed = [position for position in range(1, width) if not names[position]]
    for line, cells in _records(text, sign, path):
        if line <= header:
            continue
        beyond = next((cell for cell in cells[width:] if cell.strip()), None)
        if len(cells) < width or beyond is not None:
            raise DataError(
                f"{len(cells)} cells where the header has {width} columns",
                place=f"{path}, line {line}",
                fix=f"give each line one cell per column (cells are separated by {DELIMITERS[sign]}), and quote cells "
                "that hold one",
            )
        if lost := next((cells[position] for position in unnamed if cells[position].strip()), None):
            raise DataError(
                f"a cell stands in a column without a name: {lost.strip()[:40]!r}",
                place=f"{path}, line {line}",
                fix="name the column in the header, or empty it",
            )
        yield line, [cells[position].strip() for position in positions]


def _check_columns(names: Sequence[str], path: Path, line: int, required: Sequence[str], sign: str) -> None:
    repeated = [name for name, count in Counter(names).items() if name and count > 1]
    if repeated:
        raise DataError(
            f"column {repeated[0]!r} stands twice", place=f"{path}, line {line}", fix="keep one column of each name"
        )
    columns = [name for name in names if name]
    missing = [name for name in required if name not in set(columns)]
    if not missing:
        return
    shown = columns[:20]
    found = f"the columns are: {', '.join(shown) or '(none)'}{f' and {len(columns) - 20} more' * (len(columns) > 20)}"
    found += f" (separated by {DELIMITERS[sign]})" if len(columns) > 1 else ""
    hints = "".join(did_you_mean(name, columns) for name in missing[:5])
    raise DataError(
        f"the table has no column {' and no column '.join(map(repr, missing))}",
        place=f"{path}, line {line}",
        fix=f"{hints}{found}",
    )
