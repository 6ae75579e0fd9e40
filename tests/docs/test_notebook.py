"""The notebook's cells run, and the outputs that stand in it are those of its code."""

from __future__ import annotations

from pathlib import Path

from support.notebook import code_cells, made_up_runs, outputs, stored

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "results.ipynb"


def test_the_notebook_is_executed(tmp_path, monkeypatch):
    made_up_runs(tmp_path)
    monkeypatch.chdir(tmp_path)
    cells = code_cells(NOTEBOOK)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    for shown, cell in zip(outputs(NOTEBOOK), cells, strict=True):
        # Names and words; pandas writes numbers in its own way in every version.
        assert [word for word in shown.split() if not word[0].isdigit()] == [
            word for word in stored(cell).split() if not word[0].isdigit()
        ]
        assert shown, "a cell that shows nothing"
