"""A training step on a small bag, where the overhead of calls decides.

Not part of the test run; start it with ``pytest tests/benchmarks``.
"""

from __future__ import annotations

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

from harness.bags.packed import pack
from harness.training.optim import build_optimizer
from methods.aggregators.attention import AttentionMIL


@pytest.mark.parametrize("adam", ["torch's default", "ours"])
def test_step_of_gated_abmil(benchmark: BenchmarkFixture, adam: str) -> None:
    """A bag of 8 tiles with 166 features, as in MUSK1."""
    torch.manual_seed(0)
    module = AttentionMIL(166, 2, hidden=64, gated=True, widths=(256, 128, 64))
    if adam == "ours":
        optimizer = build_optimizer("adam", module.parameters(), lr=1e-4, weight_decay=1e-5, weights_only=False)
    else:
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-4, weight_decay=1e-5)
    bag, label = pack([torch.randn(8, 166)]), torch.tensor([1])

    def step() -> None:
        nn.functional.cross_entropy(module(bag).logits, label).backward()
        optimizer.step()
        optimizer.zero_grad()

    benchmark.group = "one step"
    benchmark(step)
