"""Fixtures for the command line: ``bench`` called in this process, with what it printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from harness.api import registry
from harness.cli.main import main


@dataclass(frozen=True)
class Answer:
    """What a command gave back: exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    def check_three_lines(self) -> tuple[str, str, str]:
        """Problem, place and fix, after checking that standard error holds exactly these."""
        lines = self.err.splitlines()
        assert len(lines) == 3, self.err
        assert [line[:7] for line in lines] == ["error: ", "   at: ", "  fix: "]
        return tuple(line[7:] for line in lines)


@pytest.fixture
def bench(capsys, monkeypatch, tmp_path) -> Callable[..., Answer]:
    """Run ``bench`` with words or one line, in an empty folder and with an empty registry of plugins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_DEBUG", raising=False)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "300")
    registry.registry.cache_clear()

    def run(*words: str) -> Answer:
        arguments = words[0].split() if len(words) == 1 else list(words)
        capsys.readouterr()
        code = main(arguments)
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    yield run
    registry.registry.cache_clear()
