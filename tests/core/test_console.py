"""Messages are taken literally, and progress shows without a terminal too."""

from __future__ import annotations

import io

import pytest

from harness.core import console
from harness.core.errors import DataError, UsageError


@pytest.mark.parametrize(("seconds", "lines"), [(0.0, ["slides: 1 of 2 [red]a", "slides: 2 of 2 b"]), (1e9, [])])
def test_without_a_terminal_progress_is_a_line_now_and_then(capsys, monkeypatch, seconds, lines):
    monkeypatch.setattr(console, "LINE_SECONDS", seconds)
    with console.progress("slides", 2) as bar:
        bar.advance(status="[red]a")
        bar.advance(status="b")
    assert capsys.readouterr().err.splitlines() == lines


@pytest.mark.parametrize("show", [console.say, console.note, console.warn])
def test_markup_in_text_is_not_obeyed(show, capsys):
    show("[bold]slide[/bold] [link=x]")
    captured = capsys.readouterr()
    assert "[bold]slide[/bold] [link=x]" in captured.out + captured.err


def test_an_error_is_three_lines(capsys):
    console.error(UsageError("it is [b]wrong[/b]", place="here", fix="do that"))
    assert capsys.readouterr().err.splitlines() == ["error: it is [b]wrong[/b]", "   at: here", "  fix: do that"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("columns", ["20", "200"])
def test_what_the_encoding_lacks_is_written_out(encoding: str, columns: str, monkeypatch) -> None:
    sink = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr("sys.stdout", sink)
    monkeypatch.setattr("sys.stderr", sink)
    monkeypatch.setenv("COLUMNS", columns)
    console.write_out_what_cannot_be_encoded()
    console.table("切片", ["name", "µ"], [("Препарат 2", "\udcff")], caption="95 % – é")
    console.say("切")
    console.error(DataError("切片", place="é", fix="×"))
    sink.flush()
    text = sink.buffer.getvalue().decode(encoding)
    assert "\\udcff" in text.replace("\n", "")
    assert ("切" in text) == (encoding == "utf-8") and ("\\u5207" in text) == (encoding != "utf-8")
