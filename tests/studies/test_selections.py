"""What each way to select takes, from trainings made up by hand."""

from __future__ import annotations

import numpy as np
import pytest

from harness.evaluation.study_scores import Predictions
from harness.evaluation.survival import SurvivalPredictions
from harness.protocols.held_out import ScoredRows
from harness.studies.selections import Training, choices, predictions_of
from harness.tasks.classification import Classification
from harness.tasks.follow_up import FollowUp
from harness.tasks.survival import Survival
from harness.tasks.truth import Truth

LABELS = np.array([0, 0, 1, 1])
PERFECT, GOOD, BAD, AWFUL = [0.1, 0.2, 0.3, 0.4], [0.1, 0.7, 0.6, 0.8], [0.6, 0.1, 0.2, 0.4], [0.4, 0.3, 0.2, 0.1]


def rows(positive: list[float], follow_up: FollowUp | None = None) -> ScoredRows:
    """Two columns either way: of classes, or of one interval and later."""
    names = tuple("abcd")
    p = np.array(positive)
    task = Classification(("n", "y")) if follow_up is None else Survival(("interval_1",), intervals=1)
    truth = Truth(names, {"label": LABELS}) if follow_up is None else follow_up.truth
    return ScoredRows(0, 0, task, names, names, truth, np.stack([1 - p, p], 1), None, None, 1)


def training(trial: int, auc: float | None, *epochs: list[float], epoch: int = 0, seed: int = 0) -> Training:
    validation = {} if auc is None else {"auc": auc, "log_loss": 0.5}
    return Training(trial, seed, epoch, validation, lambda number: 0.5 + number / 100, [rows(one) for one in epochs])


def taken(trainings: list[Training]) -> dict[str, tuple[int, int, float | None, int]]:
    return {
        name: (one.training.trial, one.epoch, one.threshold, one.compared)
        for name, one in choices(trainings, "auc").items()
    }


def test_each_leak_changes_what_it_is_about_and_nothing_else():
    found = taken(
        [
            training(0, 0.6, BAD, AWFUL),
            training(1, 0.9, AWFUL, BAD, GOOD, epoch=1),
            training(2, 0.7, GOOD, PERFECT),
        ]
    )
    assert found == {
        "untuned": (0, 0, 0.5, 1),
        "clean": (1, 1, 0.51, 1),
        "threshold-on-test": (1, 1, pytest.approx(0.15), 1),
        "epoch-on-test": (1, 2, 0.52, 3),
        "tuned-on-test": (2, 0, 0.5, 3),
        "all-on-test": (2, 1, pytest.approx(0.25), 7),
    }


def test_without_trials_there_is_nothing_to_tune():
    assert list(taken([training(0, None, BAD, GOOD)])) == ["clean", "threshold-on-test", "epoch-on-test", "all-on-test"]


def test_where_the_own_parameters_failed_there_is_no_untuned_row():
    assert "untuned" not in taken([training(1, 0.5, BAD), training(2, 0.4, GOOD)])


@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_without_a_validation_score_the_own_parameters_are_kept(unknown):
    assert taken([training(0, unknown, BAD), training(1, unknown, GOOD)])["clean"][0] == 0
    assert taken([training(0, unknown, BAD), training(1, 0.3, GOOD)])["clean"][0] == 1


def test_predictions_follow_the_thresholds_that_were_chosen():
    found = choices([training(0, 0.9, GOOD, PERFECT, seed=3)], "auc")
    clean, leaky = predictions_of([found["clean"]]), predictions_of([found["all-on-test"]])
    assert isinstance(clean, Predictions)
    assert clean.seed.tolist() == [3] * 4
    assert clean.predicted.tolist() == [0, 1, 1, 1]
    assert leaky.predicted.tolist() == LABELS.tolist()


def test_survival_is_chosen_by_the_c_index_and_has_no_threshold():
    seen = FollowUp(tuple("abcd"), np.array([9.0, 8.0, 1.0, 2.0]), LABELS)
    made = [Training(0, 0, 0, {"c_index": 0.5}, lambda _: None, [rows(AWFUL, seen), rows(PERFECT, seen)])]
    found = choices(made, "c_index")
    assert {one.threshold for one in found.values()} == {None}
    assert "threshold-on-test" not in found
    scores = [one["c_index"] for one in made[0].scores]
    assert found["epoch-on-test"].epoch == int(np.argmax(scores))
    assert scores[0] != scores[1]
    assert isinstance(predictions_of([found["clean"]]), SurvivalPredictions)
