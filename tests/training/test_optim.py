"""Schedules and optimisers do what the published recipes say."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from harness.training.optim import build_optimizer, build_schedule


def test_keras_decay_moves_every_step():
    factor = build_schedule("inverse", lr=1.0, epochs=50, steps_per_epoch=80)
    assert factor(0.0) == 1
    assert factor(3 + 7 / 80) == pytest.approx(1 / (1 + 1e-4 * (3 * 80 + 7)))


def test_cosine_moves_once_per_epoch_and_warm_up_does_not_shift_it():
    factor = build_schedule("cosine", lr=8e-5, epochs=75, steps_per_epoch=10, warmup_epochs=10, min_lr=1e-7)
    assert 8e-5 * factor(0.9) == pytest.approx(1e-6)
    assert 8e-5 * factor(5.0) == pytest.approx(1e-6 + 5 * (8e-5 - 1e-6) / 10)
    assert factor(30.0) == factor(30.95)
    assert 8e-5 * factor(30) == pytest.approx(1e-7 + 0.5 * (8e-5 - 1e-7) * (1 + math.cos(math.pi * 30 / 75)))


def test_decay_of_weights_only_leaves_biases_alone():
    layer = nn.Linear(3, 2)
    optimizer = build_optimizer("sgd", layer.parameters(), lr=0.1, weight_decay=1.0, weights_only=True)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.equal(layer.bias, before["bias"])
    assert not torch.equal(layer.weight, before["weight"])


def test_frozen_parameters_are_left_out():
    layer = nn.Linear(3, 2)
    layer.bias.requires_grad_(False)
    optimizer = build_optimizer("adamw", layer.parameters(), lr=0.1, weight_decay=0.1, weights_only=False)
    assert [p.shape for group in optimizer.param_groups for p in group["params"]] == [layer.weight.shape]


def test_drops_are_those_of_multi_step_lr():
    layer = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    theirs = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5], gamma=0.2)
    ours = build_schedule("constant", lr=1.0, epochs=8, steps_per_epoch=4, drop_epochs=(3, 5), drop_factor=0.2)
    for epoch in range(8):
        assert ours(epoch + 0.75) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


def test_betas_reach_the_optimiser():
    layer = nn.Linear(3, 2)
    for name in ("adam", "adamw", "radam", "lookahead_radam"):
        optimizer = build_optimizer(
            name, layer.parameters(), lr=0.1, weight_decay=0.1, weights_only=False, betas=(0.5, 0.9)
        )
        assert [group["betas"] for group in optimizer.param_groups] == [(0.5, 0.9)]


class Formula:
    """RAdam (arXiv 1908.03265, algorithm 2) with decoupled decay, and Lookahead (arXiv 1907.08610) around it."""

    def __init__(self, weight, lr, decay, betas, every, share):
        self.weight, self.lr, self.decay, self.betas = weight.clone(), lr, decay, betas
        self.every, self.loss_weight, self.slow = every, share, None
        self.m, self.v, self.t = torch.zeros_like(weight), torch.zeros_like(weight), 0

    def step(self, gradient):
        b1, b2 = self.betas
        self.t += 1
        self.m = b1 * self.m + (1 - b1) * gradient
        self.v = b2 * self.v + (1 - b2) * gradient**2
        longest = 2 / (1 - b2) - 1
        length = longest - 2 * self.t * b2**self.t / (1 - b2**self.t)
        move = self.m / (1 - b1**self.t)
        if length > 5:
            parts = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            move = move * math.sqrt(parts) * math.sqrt(1 - b2**self.t) / (self.v.sqrt() + 1e-8)
        self.weight = self.weight * (1 - self.lr * self.decay) - self.lr * move
        if self.t % self.every == 0:
            self.slow = self.weight if self.slow is None else self.slow + self.loss_weight * (self.weight - self.slow)
            self.weight = self.slow


@pytest.mark.parametrize(("name", "every"), [("radam", 10**9), ("lookahead_radam", 6)])
def test_radam_and_lookahead_follow_their_formulas(name, every):
    torch.manual_seed(0)
    layer = nn.Linear(4, 3, bias=False).double()
    formula = Formula(layer.weight.detach(), 0.05, 0.1, (0.9, 0.999), every, 0.5)
    optimizer = build_optimizer(name, layer.parameters(), lr=0.05, weight_decay=0.1, weights_only=True)
    for _ in range(20):
        gradient = torch.randn(3, 4, dtype=torch.float64)
        layer.weight.grad = gradient.clone()
        optimizer.step()
        formula.step(gradient)
        torch.testing.assert_close(layer.weight.detach(), formula.weight, rtol=1e-9, atol=1e-9)
