"""Messages are taken literally, and progress shows without a terminal too."""

from __future__ import annotations

import pytest

from harness import console
from harness.errors import UsageError


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
