"""Whoever looks at a training epoch by epoch sees the weights of that epoch, and changes nothing."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch


class Onlooker:
    """Keeps the weights of every epoch, and does what could disturb the training."""

    def __init__(self, stage) -> None:
        self.module = stage.module
        self.seen: dict[int, dict[str, torch.Tensor]] = {}

    def __call__(self, stage: str, epoch: int) -> None:
        assert stage == "toy"
        assert not any(part.training for part in self.module.modules())
        assert not torch.is_grad_enabled()
        self.seen[epoch] = {name: value.clone() for name, value in self.module.state_dict().items()}
        torch.rand(7), np.random.rand(3), random.random()
        self.module(torch.randn(5, 4))
        self.module.train()


def trained(make_run, make_stage, name: str, *, watched: bool, **changes: object):
    """The stage's final weights and curve, and what was seen."""
    run = make_run(name)
    stage = make_stage(run, **changes)
    stage.module.layers[1].eval()  # a part that is kept in evaluation mode, until the loop says otherwise
    onlooker = Onlooker(stage) if watched else None
    run.watch = onlooker
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    run.train(stage)
    drawn = torch.rand(2).tolist(), np.random.rand(), random.random()
    return stage.module.state_dict(), run.curve, drawn, onlooker.seen if onlooker else {}


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("changes", [{}, {"ema_decay": 0.9}, {"ema_decay": 0.9, "weights": "ema"}, {"accumulate": 3}])
def test_a_watched_training_is_the_same_bit_for_bit(make_run, make_stage, changes):
    alone = trained(make_run, make_stage, "alone", watched=False, **changes)
    watched = trained(make_run, make_stage, "watched", watched=True, **changes)
    assert same(alone[0], watched[0])
    assert alone[1] == watched[1]
    assert alone[2] == watched[2]
    assert list(watched[3]) == [0, 1, 2, 3]


@pytest.mark.parametrize("weights", ["raw", "ema"])
def test_what_is_seen_are_the_weights_that_would_be_reported(make_run, make_stage, weights):
    settings = {"ema_decay": 0.8, "weights": weights}
    final, curve, _, seen = trained(make_run, make_stage, "run", watched=True, **settings)
    column = "val_loss" if weights == "raw" else "val_ema_loss"
    best = min(curve, key=lambda row: row[column])["epoch"]
    assert same(seen[best], final)
    for epochs in (1, 2):
        short, _, _, _ = trained(
            make_run, make_stage, f"{epochs}", watched=False, epochs=epochs, select_by="last", **settings
        )
        assert same(seen[epochs - 1], short)


@pytest.mark.parametrize("stop_after", [1, 5, 7, 12, 17])
def test_a_training_that_was_interrupted_has_shown_every_epoch_all_the_same(make_run, make_stage, stop_after):
    _, _, _, whole = trained(make_run, make_stage, "whole", watched=True)
    run = make_run("broken")
    stage = make_stage(run, stop_after=stop_after)
    first = run.watch = Onlooker(stage)
    with pytest.raises(InterruptedError):
        run.train(stage)
    run = make_run("broken")
    stage = make_stage(run)
    second = run.watch = Onlooker(stage)
    run.train(stage)
    found = first.seen | second.seen
    assert sorted(found) == sorted(whole)
    assert all(same(found[epoch], whole[epoch]) for epoch in whole)
