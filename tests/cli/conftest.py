"""Fixtures for the command line: ``bench`` called in this process, with what it printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from support.installed import forget_plugins
from support.mlflow_template import with_template
from support.toy import PLUGIN, write_toy_dataset

from harness.cli.main import main

TRAINING = (["run"], ["inflate"], ["selection-bias"])


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
def bench(capsys, monkeypatch, tmp_path, request) -> Callable[..., Answer]:
    """Run ``bench`` with words or one line, in an empty folder and with an empty registry of plugins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_DEBUG", raising=False)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "300")
    forget_plugins()

    def run(*words: str) -> Answer:
        if not (tmp_path / "cache").exists() and " ".join(words).split()[:1] in TRAINING:
            with_template(tmp_path / "cache", request.getfixturevalue("mlflow_template"))
        arguments = words[0].split() if len(words) == 1 else list(words)
        capsys.readouterr()
        code = main(arguments)
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    yield run
    forget_plugins()


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with a plugin, a toy dataset, and a study of both of its folds in ``runs``."""
    root = tmp_path_factory.mktemp("trained")
    (root / "tiny_plugin.py").write_text(PLUGIN)
    write_toy_dataset(root / "toy")
    forget_plugins()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert main(["run", "--plugin", "tiny_plugin.py", "--method", "tiny", "--dataset", "./toy"]) == 0
    forget_plugins()
    return root
