"""What of a network's output is the feature vector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Pooled(nn.Module):
    """A vision transformer of timm, (n, 3, H, W) → (n, D) or (n, 2 D).

    Args:
        network: gives tokens: the class token, registers, patches.
        mean: whether the mean of the patch tokens stands behind the class token; registers are in neither.
    """

    def __init__(self, network: Any, *, mean: bool) -> None:
        super().__init__()
        self.network = network
        self.mean = mean

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        tokens: Tensor = self.network.forward_features(x)
        first = tokens[:, 0]
        if not self.mean:
            return first
        return torch.cat([first, tokens[:, self.network.num_prefix_tokens :].mean(1)], 1)
