"""What the shell offers behind an option."""

from __future__ import annotations

import pytest

from harness.cli.main import main


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("run --method gated", ["gated_abmil"]),
        ("run --dataset mus", ["musk1", "musk2"]),
        ("run --method abmilx --preset mi", ["mini"]),
        ("run --dataset musk1 --protocol cv", ["cv5x10", "cv5x10-on-test", "cv5x10-transductive"]),
        ("run --launcher sl", ["slurm"]),
        ("run --method no_such --preset mi", []),
        ("selection-bias gated", ["gated_abmil"]),
        ("compare toy-", ["toy-mean-1", "toy-mean-2"]),
    ],
)
def test_names_are_offered(capsys, monkeypatch, tmp_path, words, offered):
    monkeypatch.chdir(tmp_path)
    for name in ("toy-mean-1", "toy-mean-2", "other"):
        (tmp_path / "runs" / "studies" / name).mkdir(parents=True)
    monkeypatch.setenv("_BENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"bench {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    with pytest.raises(SystemExit):
        main([])
    assert capsys.readouterr().out.split() == offered
