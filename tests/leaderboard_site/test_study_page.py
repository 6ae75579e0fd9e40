"""The page of a study shows the figures of its task, whatever the task is."""

from __future__ import annotations

import html5lib
import numpy as np
import pytest

from harness.evaluation.regression import RegressionPredictions
from harness.evaluation.rows import Rows
from harness.evaluation.survival import SurvivalPredictions
from harness.leaderboard_site.study_page import study_page
from harness.tasks.regression import Regression
from harness.tasks.survival import Survival
from harness.tasks.task import Task

N = 40
UNIT = {name: np.zeros(N, int) for name in ("repeat", "fold", "seed")} | {"patient": np.arange(N).astype(str)}
TIME = np.linspace(1, 30, N)
OF_TASKS = {
    "survival": (Survival, SurvivalPredictions(**UNIT, time=TIME, event=np.ones(N, int), risk=-TIME)),
    "regression": (Regression, RegressionPredictions(**UNIT, target=TIME, predicted=TIME + np.sin(TIME))),
}


@pytest.mark.parametrize("name", OF_TASKS)
def test_the_figures_of_the_task_are_on_the_page(site, name: str) -> None:
    task: type[Task]
    rows: Rows
    task, rows = OF_TASKS[name]
    board = site.content.boards[0]
    page = study_page(site.content, board, board.entries[0], task=task, data=rows, classes=("a <b>",))
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    tree = parser.parse(page)
    assert not parser.errors
    drawings = task.drawings(rows, ("a <b>",))
    captions = ["".join(one.itertext()) for one in tree.iter("figcaption")]
    assert drawings and captions == [one.caption for one in drawings]
    assert "Confusion matrix" not in page and "ROC" not in page


def test_without_predictions_there_are_no_figures(site) -> None:
    board = site.content.boards[0]
    page = study_page(site.content, board, board.entries[0], task=Survival, data=None, classes=("a",))
    assert "<svg" not in page and "<h2>Scores</h2>" in page
