"""DMQ, the dynamic multi-instance query: a few learned queries look at the tiles, sigmoid gates add them up."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class DynamicQuery(nn.Module):
    """Tiles (N, d) → bag vector (d,) and the weight of each tile (N,).

    ``Z' = softmax((Z W_Q)(T W_K)^T / sqrt(d)) (T W_V)`` for learned queries Z (q, d) with d x d matrices,
    ``g_i = sigmoid(W_g Z'_i + b_g)``, ``F = sum_i g_i Z'_i``; the gates are not normalised. The weight of a tile is its
    share in the queries' attention, each query counting as its gate is open; weights sum to one.

    Args:
        width: d.
        queries: q.
    """

    def __init__(self, width: int, queries: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(queries, width))
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, 1)
        self.scale = 1 / math.sqrt(width)

    def forward(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """Bag vector and weights."""
        scores = self.query(self.queries) @ self.key(tiles).T * self.scale
        attention = scores.softmax(-1)
        found = attention @ self.value(tiles)
        gates = self.gate(found).sigmoid()
        weights = (gates * attention).sum(0) / gates.sum()
        return (gates * found).sum(0), weights
