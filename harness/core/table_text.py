"""Tables as text for programs and for papers: CSV, JSON, LaTeX, Markdown.

CSV and JSON hold the values of the rows in full precision, of all tables in one; LaTeX and Markdown hold what a reader
is shown. Names come from files that somebody sent, so each form takes them literally.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.core.plain_json import plain
from harness.core.table import Table

_FORMULA = ("=", "+", "-", "@")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def csv_text(tables: Sequence[Table]) -> str:
    """The rows of all tables under one header; the items of a list stand in one cell, with ``; `` between them."""
    names = _names(tables)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([csv_cell(name) for name in names])
    writer.writerows([csv_cell(_flat(row.get(name))) for name in names] for table in tables for row in table.rows)
    return text.getvalue()


def json_text(tables: Sequence[Table]) -> str:
    """The rows of all tables as a list of objects; what is unknown or undefined is null."""
    named = [(table, table.names) for table in tables]  # it looks at every row
    rows = [plain({name: row.get(name) for name in names}) for table, names in named for row in table.rows]
    text = json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode() + "\n"


def latex_text(tables: Sequence[Table]) -> str:
    """A ``table`` for each, with rules of the package booktabs."""
    return "% needs \\usepackage{booktabs}\n" + "\n".join(map(_latex, tables))


def markdown_text(tables: Sequence[Table]) -> str:
    """A pipe table for each, under its title."""
    return "\n".join(map(_markdown, tables))


WRITERS: Mapping[str, Callable[[Sequence[Table]], str]] = {
    "csv": csv_text,
    "json": json_text,
    "latex": latex_text,
    "markdown": markdown_text,
}
"""Name of a form → tables to text."""


def csv_cell(value: Any) -> Any:
    """``value`` for a CSV file that somebody may open in a spreadsheet: no text starts a formula or breaks a line."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def latex_literal(text: str) -> str:
    """``text`` so that LaTeX prints it, in one line."""
    return "".join(_LATEX.get(sign, sign) for sign in printable(text))


def markdown_literal(text: str) -> str:
    """``text`` so that Markdown and HTML take it literally, in one line."""
    safe = html.escape(printable(text), quote=False)
    return re.sub(r"([\\`*\[\]|#~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))", r"\\\1", safe)


def printable(text: str) -> str:
    """``text`` with everything written out that does not print: control characters, line breaks, lone surrogates."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _latex(table: Table) -> str:
    sides = "".join("r" if column.right else "l" for column in table.columns)
    head = " & ".join(latex_literal(column.title) for column in table.columns)
    body = [_apart(" & ".join(map(latex_literal, cells))) + r" \\" for cells in table.cells()]
    caption = ". ".join(filter(None, (table.title, table.caption[:1].upper() + table.caption[1:])))
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_literal(caption)}}}",
            rf"\begin{{tabular}}{{{sides}}}",
            r"\toprule",
            rf"{head} \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _apart(line: str) -> str:
    """A row that does not look like an argument of the line break before it."""
    return f"{{}}{line}" if line.startswith(("[", "*")) else line


def _markdown(table: Table) -> str:
    rows = [[column.title for column in table.columns], *table.cells()]
    lines = [f"| {' | '.join(map(markdown_literal, cells))} |" for cells in rows]
    lines.insert(1, f"|{'|'.join('---:' if column.right else '---' for column in table.columns)}|")
    caption = ["", markdown_literal(table.caption)] if table.caption else []
    return "\n".join([f"**{markdown_literal(table.title)}**", "", *lines, *caption, ""])


def _names(tables: Sequence[Table]) -> list[str]:
    return list(dict.fromkeys(name for table in tables for name in table.names))


def _flat(value: Any) -> Any:
    """A value for one cell: numbers as they are, nothing for what is not known."""
    value = plain(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "; ".join(str(_flat(one)) for one in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
