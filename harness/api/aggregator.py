"""The base of aggregators: packed bag features in, logits and attention out."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn
from torch.nn import functional

from harness.api.output import BagOutput
from harness.bags.packed import PackedBags


class Aggregator(nn.Module):
    """Bag of feature vectors → slide logits. ``bags.x`` is (T, D) float."""

    @abstractmethod
    def forward(self, bags: PackedBags) -> BagOutput:
        """Logits (B, C) and, where the method has any, attention (T,) or (T, heads)."""

    def loss(self, output: BagOutput, labels: Tensor) -> Tensor:
        """Mean loss over the bags; cross-entropy unless overridden. ``labels`` is (B,) int64."""
        return functional.cross_entropy(output.logits, labels)
