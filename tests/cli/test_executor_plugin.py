"""An executor of one's own: one file of a package outside the repository, installed, gives what the local one gives."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support.installed import forget_plugins, installed

PAGE = Path(__file__).parents[2] / "docs/launchers.md"
PLUGIN = PAGE.read_text().split("```python no-run\n")[1].split("```")[0]
"""The example of the documentation."""


@pytest.fixture(autouse=True)
def forget():
    """The registries are empty of plugins before and after."""
    forget_plugins()
    yield
    forget_plugins()


def predictions(out: str) -> dict[str, pd.DataFrame]:
    paths = Path(out).glob("units/*/predictions.parquet")
    return {path.parent.name: pd.read_parquet(path) for path in sorted(paths)}


def test_an_installed_executor_gives_the_predictions_of_the_local_one(
    bench, monkeypatch, tmp_path, toy_dataset, tiny_plugin
):
    words = ("run", "--method", "tiny", "--dataset", str(toy_dataset), "--plugin", str(tiny_plugin), "--device", "cpu")
    words += ("--set", "epochs=2", "--cpus-per-unit", "1")
    with installed(tmp_path / "site", monkeypatch, PLUGIN, {"harness.executors": {"pool": "Pool"}}):
        assert "pool" in bench("plugins", "list", "executors").out
        there = bench(*words, "--out", "there", "--launcher", "pool", "--launcher-option", "workers=2")
    assert there.code == 0, there.err
    assert bench(*words, "--out", "here").code == 0
    found, expected = predictions("there"), predictions("here")
    assert found.keys() == expected.keys()
    assert len(found) == 2
    for name, table in found.items():
        pd.testing.assert_frame_equal(table, expected[name], check_exact=True)


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        (PLUGIN, ("--launcher", "pol"), "unknown launcher 'pol'"),
        (PLUGIN, ("--launcher", "pool", "--launcher-option", "worker=2"), "unknown option of pool 'worker'"),
        (PLUGIN, ("--launcher", "pool", "--launcher-option", "workers=many"), "workers"),
        (PLUGIN.replace("def submit", "def submitt"), ("--launcher", "pool"), "the executor lacks submit"),
        (PLUGIN.replace('name = "pool"', 'name = "ray"'), ("--launcher", "ray"), "two launchers are called 'ray'"),
        ("1 / 0", ("--launcher", "pool"), "ZeroDivisionError"),
    ],
)
def test_mistakes_are_named(bench, tmp_path, toy_dataset, source, options, said):
    (tmp_path / "pool.py").write_text(source)
    words = ("run", "--method", "abmil", "--dataset", str(toy_dataset), "--plugin", "pool.py", "--dry-run")
    answer = bench(*words, *options)
    assert answer.code in (1, 2)
    assert said in answer.err
