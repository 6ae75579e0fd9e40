"""What passes take: the same without numbers as with them, in exact agreement with torch, and nothing is disturbed."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

from harness import Aggregator, BagOutput, Task, segment_mean
from harness.contract.registry import find_method
from harness.encoders import build_encoder
from harness.training.memory.bag_passes import aggregation, encoding
from harness.training.memory.footprint import FEW_ROWS, Alive, Footprint, Pass
from harness.training.mil_fit import BagNetwork

CPU = torch.device("cpu")


def _network(method: str = "gated_abmil", encoder: str = "", px: int = 0, dim: int = 32) -> BagNetwork:
    kind = find_method(method)
    made = None if not encoder else build_encoder(encoder, tile_px=px, seed=0)
    head = kind(kind.Params(), Task(("no", "yes"))).aggregator(dim if made is None else made.dim)
    return BagNetwork(head, made)


def _footprint(network: BagNetwork, px: int = 0, dim: int = 32) -> Footprint:
    width = dim if network.encoder is None else network.encoder.dim
    passes = {"aggregator": Pass(aggregation(width, gradient=network.encoder is not None), FEW_ROWS)}
    if px:
        passes["encoder"] = encoding(lambda copied, tiles: copied.encoder.encode(tiles), px)
    return Footprint(network, passes, CPU)


def test_tensors_are_counted_while_they_live_and_views_not_at_all():
    given = torch.zeros(1000)
    with Alive([given]) as alive:
        view = given[10:].view(-1, 1)
        first = given + 1
        second = first.double()
        del first
        second.mul_(2)
        half = second[:500]
        del second
        assert len(view) == 990
        assert (alive.now, alive.peak) == (8000, 12000), "a view keeps the whole storage"
        del half
        assert alive.now == 0


@pytest.mark.parametrize(
    ("encoder", "px"),
    [("conv27", 27), ("conv64", 64), ("random:resnet18@layer3", 64), ("random:vit_tiny_patch16_224", 224)],
)
def test_an_encoder_takes_without_numbers_what_it_takes_with_them(encoder, px):
    footprint = _footprint(_network(encoder=encoder, px=px), px)
    tiles = 2 if px == 224 else 8
    real = footprint._pass("encoder", (tiles,), "fp32", True, CPU)
    found = footprint.cost("encoder", (tiles,), "fp32", train=True)
    assert found.kept == pytest.approx(real.kept, rel=0.1)
    assert found.peak == pytest.approx(real.peak, rel=0.1)
    assert footprint.cost("encoder", (tiles,), "fp32", train=False).peak < found.peak
    low = footprint._pass("encoder", (tiles,), "bf16", True, CPU).peak
    assert low / 2 < footprint.cost("encoder", (tiles,), "bf16", train=True).peak < 2 * low


METHODS = ("mean_pool", "max_pool", "gated_abmil", "abmilx_head", "clam_sb", "clam_mb", "dsmil", "transmil", "dtfd")


@pytest.mark.parametrize("method", METHODS)
def test_an_aggregator_takes_what_a_real_pass_takes(method):
    footprint = _footprint(_network(method))
    sizes = (700, 500)
    for precision in ("fp32",) if method == "transmil" else ("fp32", "bf16"):
        real = footprint._pass("aggregator", sizes, precision, True, CPU)
        found = footprint.cost("aggregator", sizes, precision, train=True)
        assert real.peak / 1.25 < found.peak < 1.25 * real.peak
    assert (
        footprint.cost("aggregator", sizes, "fp32", train=False).peak
        <= footprint.cost("aggregator", sizes, "fp32", train=True).peak
    )


def test_the_peak_of_a_known_network():
    """Mean of 1000 x 16 through one layer of 16: the layer's result, at most with its gradient and the means' parts."""

    class Mean(Aggregator):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(16, 2, bias=False)

        def forward(self, bags):
            return BagOutput(segment_mean(self.layer(bags.x), bags.offsets))

    cost = _footprint(BagNetwork(Mean()), dim=16).cost("aggregator", (1000,), "fp32", train=True)
    result = 1000 * 2 * 4
    assert result <= cost.peak < 3.5 * result


class Choosy(Aggregator):
    """Its way depends on numbers."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(32, 8)
        self.calls = 0

    def forward(self, bags):
        self.calls += 1
        random.random()
        np.random.rand()
        torch.rand(3)
        hidden = self.layer(bags.x)
        logits = segment_mean(hidden if float(hidden.detach().sum()) != 0.5 else -hidden, bags.offsets)
        return BagOutput(logits)


def test_a_network_that_needs_numbers_is_tried_out_on_few_tiles():
    network = BagNetwork(Choosy())
    footprint = _footprint(network)
    assert footprint._unnumbered("aggregator", (50_000,), "fp32", True) is None
    found = footprint.cost("aggregator", (50_000,), "fp32", train=True)
    assert found.peak == pytest.approx(footprint._pass("aggregator", (50_000,), "fp32", True, CPU).peak, rel=0.01)


@pytest.mark.parametrize("needs_numbers", [False, True])
def test_nothing_is_disturbed(needs_numbers):
    network = _network(encoder="conv64", px=32)
    if needs_numbers:
        network.aggregator = Choosy()
        network.aggregator.layer = nn.Linear(96, 8)
    network.aggregator.eval()
    before = copy.deepcopy(network.state_dict())
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    footprint = _footprint(network, 32)
    footprint.cost("aggregator", (3000,), "fp32", train=True)
    footprint.cost("encoder", (500,), "fp32", train=True)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    assert np.array_equal(states[2], np.random.get_state()[1])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert network.encoder.training, "modes are as they were"
    assert not network.aggregator.training
    assert not needs_numbers or network.aggregator.calls == 0, "it is a copy that is tried out"
