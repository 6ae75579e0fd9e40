"""Protocols that choose on the test slides: done by the process that scores, counted, and worth what they say."""

from __future__ import annotations

import math

import numpy as np
from support.units import run_unit

from harness.evaluation.metrics import score
from harness.evaluation.threshold import choose_threshold
from harness.studies.planned_unit import prepare
from harness.studies.selection_on_test import best_of


def test_the_best_epoch_on_the_test_slides_is_chosen_and_every_look_is_counted(toy_unit):
    honest = run_unit(*toy_unit(name="honest", lr=0.001))
    unit, inputs, scorer = toy_unit(protocol="on-test", name="leaky", lr=0.001)
    job = prepare(unit, inputs).job
    assert job.every_epoch
    assert job.select == "last"
    result = run_unit(unit, inputs, scorer)
    labels, epochs = result.rows.truth["label"], result.result.epochs
    row = {slide: k for k, slide in enumerate(result.result.test.slides)}
    rows = [row[slide] for slide in result.rows.slides]
    scores = [score(labels, one[rows], one[rows].argmax(1)) for one in epochs.test]
    assert result.epoch == best_of(scores)
    assert scores[result.epoch]["auc"] == max(one["auc"] for one in scores) > scores[0]["auc"]
    assert np.array_equal(result.rows.probabilities, epochs.test[result.epoch][rows])
    assert np.array_equal(result.result.val.probabilities, epochs.val[result.epoch])
    assert result.threshold == choose_threshold(labels, result.rows.probabilities[:, 1])
    assert result.rows.accesses == len(epochs) == 6
    assert honest.epoch is None
    assert honest.rows.accesses == 1


def test_of_equal_epochs_the_surer_then_the_earlier_one_is_taken():
    nan = math.nan
    assert best_of([{"auc": 0.5, "log_loss": 1.0}, {"auc": 0.7, "log_loss": 2.0}, {"auc": 0.7, "log_loss": 1.5}]) == 2
    assert best_of([{"auc": nan, "log_loss": 1.0}, {"auc": nan, "log_loss": 0.5}, {"auc": nan, "log_loss": 0.5}]) == 1
    assert best_of([{"auc": nan, "log_loss": 0.1}, {"auc": 0.1, "log_loss": 0.5}]) == 1
    assert best_of([{"c_index": 0.4}, {"c_index": nan}, {"c_index": 0.6}]) == 2
