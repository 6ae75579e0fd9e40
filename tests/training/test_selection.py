"""Which epoch is kept."""

from __future__ import annotations

import math

import pytest
from torch import nn

from harness.training.selection import Selection

NAN = math.nan


@pytest.mark.parametrize(
    ("epochs", "best"),
    [
        ([(0.5, 1.0), (0.9, 0.9), (0.7, 0.1)], 1),
        ([(1.0, 0.9), (1.0, 0.4), (1.0, 0.6)], 1),
        ([(1.0, 0.4), (1.0, 0.4)], 0),
        ([(NAN, 0.9), (0.2, 3.0), (NAN, 0.1)], 1),
        ([(NAN, 0.9), (NAN, 0.3), (NAN, 0.5)], 1),
    ],
    ids=["best", "tie-smaller-loss", "tie-first", "nan-never-wins", "all-nan-smallest-loss"],
)
def test_best_metric_then_smallest_loss(epochs, best):
    selection, module = Selection("auc", True), nn.Linear(1, 1)
    for epoch, (auc, loss) in enumerate(epochs):
        nn.init.constant_(module.weight, epoch)
        selection.see(epoch, {"auc": auc, "loss": loss}, module, last=False)
    assert selection.epoch == best
    assert selection.weights["weight"].item() == best


def test_last_keeps_only_the_last():
    selection, module = Selection("last", True), nn.Linear(1, 1)
    selection.see(0, {}, module, last=False)
    assert not selection.weights
    selection.see(1, {}, module, last=True)
    assert selection.epoch == 1


def test_the_smallest_loss_is_the_best_where_less_is_better():
    selection, module = Selection("loss", False, first=1), nn.Linear(1, 1)
    for epoch, loss in enumerate([0.1, 0.7, 0.4, 0.5]):
        selection.see(epoch, {"auc": 0.5, "loss": loss}, module, last=False)
    assert (selection.epoch, selection.best) == (2, 0.4)
