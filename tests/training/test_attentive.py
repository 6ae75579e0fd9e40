"""Attention-based sampling keeps the most attended tiles, and changes nothing on the way."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness import Aggregator, BagOutput, PackedBags, UsageError, pack
from harness.training.attentive import most_attended
from harness.training.mil_fit import BagNetwork


class Given(Aggregator):
    """Attention is read from the features: column 0 alone, or all columns as heads."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = nn.Dropout(0.9)

    def forward(self, bags: PackedBags) -> BagOutput:
        x = self.dropout(bags.x)
        attention = {0: None, 1: x[:, 0]}.get(self.heads, x[:, : self.heads])
        return BagOutput(torch.zeros(len(bags), 2), attention)


def test_the_highest_tiles_of_each_bag_are_kept() -> None:
    x = torch.tensor([[0.1], [0.5], [0.4], [0.2], [0.7], [0.1]])
    network = BagNetwork(Given(1)).train()
    kept = most_attended(network, pack([x[:3], x[3:]], torch.tensor([1, 0]), ("a", "b")), 2, seed=0)
    assert [sorted(bag[:, 0].tolist()) for bag in torch.split(kept.x, 2)] == [
        pytest.approx([0.4, 0.5]), pytest.approx([0.2, 0.7])
    ]  # fmt: skip
    assert (kept.ids, kept.offsets.tolist()) == (("a", "b"), [0, 2, 4])
    assert kept.labels is not None
    assert kept.labels.tolist() == [1, 0]
    assert network.training


def test_heads_vote() -> None:
    """Tile 1 is second for all three heads; tiles 0, 2 and 3 are first for one each."""
    x = torch.tensor([[0.9, 0.0, 0.0], [0.1, 0.2, 0.3], [0.0, 0.8, 0.0], [0.0, 0.0, 0.7]])
    kept = most_attended(BagNetwork(Given(3)), pack([x]), 2, seed=0)
    assert {tuple(row) for row in kept.x.tolist()} == {tuple(x[1].tolist()), tuple(x[0].tolist())}


def test_small_bags_give_all_they_have_and_repeats() -> None:
    x = torch.arange(3.0).unsqueeze(1)
    first, again = (most_attended(BagNetwork(Given(1)), pack([x]), 7, seed=4).x for _ in range(2))
    assert torch.equal(first, again)
    assert len(first) == 7
    assert set(first[:, 0].tolist()) == {0.0, 1.0, 2.0}


def test_a_method_without_attention_is_told() -> None:
    with pytest.raises(UsageError, match="gives none of"):
        most_attended(BagNetwork(Given(0)), pack([torch.zeros(3, 1)]), 2, seed=0)
