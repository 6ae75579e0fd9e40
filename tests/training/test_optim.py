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
