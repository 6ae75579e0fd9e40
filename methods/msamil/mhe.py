"""MHE, the multi-scale hierarchical encoder: place and scale are added, then low-rank attention among the tiles."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

ATTENTION_BLOCK = 1024
"""Rows of the N x N attention that are in memory at once."""


def spatial_order(corners: NDArray[np.int64] | None, scale: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order of the sequence: by x, then y, then scale, all rising; by scale alone where places are unknown.

    Args:
        corners: top-left corners (x, y) of the tiles in level-0 pixels, (N, 2), or None.
        scale: number of each tile's scale, 0 the finest, (N,).

    Returns:
        Rows in the order of the sequence, (N,).
    """
    if corners is None:
        return np.argsort(scale, kind="stable")
    return np.lexsort((scale, corners[:, 1], corners[:, 0]))


def sinusoid(length: int, width: int) -> Tensor:
    """The position code of the transformer (Vaswani et al. 2017): (length, width), sines at even columns, float64.

    ``E[p, 2 i] = sin(p / 10000^(2 i / width))``, ``E[p, 2 i + 1] = cos(...)`` of the same.
    """
    position = torch.arange(length, dtype=torch.float64).unsqueeze(1)
    wave = torch.exp(-math.log(10000) * torch.arange(0, width, 2, dtype=torch.float64) / width)
    code = torch.zeros(length, width, dtype=torch.float64)
    code[:, 0::2] = torch.sin(position * wave)
    code[:, 1::2] = torch.cos(position * wave)[:, : width // 2]
    return code


class LowRankAttention(nn.Module):
    """(N, d) → (N, d): ``softmax(Q K^T / sqrt(r)) V`` in each head, heads side by side.

    Q = T W_Q and K = T W_K have r columns per head; V = T W_V is d wide over all heads. No biases, no
    projection behind.

    Args:
        width: d.
        heads: a divisor of d; 1 for the equation as printed.
        rank: r of each head.
    """

    def __init__(self, width: int, heads: int, rank: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = 1 / math.sqrt(rank)
        self.query = nn.Linear(width, heads * rank, bias=False)
        self.key = nn.Linear(width, heads * rank, bias=False)
        self.value = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Every tile looks at every tile."""
        query, key, value = (self._split(part(x)) for part in (self.query, self.key, self.value))
        blocks = [
            (block @ key.transpose(1, 2) * self.scale).softmax(-1) @ value
            for block in torch.split(query, ATTENTION_BLOCK, 1)
        ]
        return torch.cat(blocks, 1).transpose(0, 1).flatten(1)

    def _split(self, x: Tensor) -> Tensor:
        """(N, heads · k) → (heads, N, k)."""
        return x.reshape(len(x), self.heads, -1).transpose(0, 1)


class HierarchicalLayer(nn.Module):
    """One layer of MHE.

    As printed (``residual=False``): ``T''' = MLP(LN(MLA(T')))``. By default with residual connections, because the
    printed form forgets place and scale: ``U = T' + MLA(LN(T'))``, ``T''' = U + MLP(LN(U))``.
    MLP: d → 4 d → d with GELU, dropout behind both.

    Args:
        width, heads, rank: see :class:`LowRankAttention`.
        dropout: in the MLP.
        residual: see above.
    """

    def __init__(self, width: int, heads: int, rank: int, *, dropout: float, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.first_norm = nn.LayerNorm(width) if residual else nn.Identity()
        self.attention = LowRankAttention(width, heads, rank)
        self.second_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, d) → (N, d)."""
        mixed = self.attention(self.first_norm(x))
        mixed = x + mixed if self.residual else mixed
        out: Tensor = self.mlp(self.second_norm(mixed))
        return mixed + out if self.residual else out


class HierarchicalEncoder(nn.Module):
    """MHE: ``T' = T + FC([x, y, scale]) + E``, then the layers.

    E is the sinusoidal code of a tile's rank in the sequence that :func:`spatial_order` makes, so that tiles of all
    scales of one area stand side by side. Where places are unknown (patches that came cut out) x, y and E are left
    out: a rank would mean nothing.

    Args:
        width: d.
        layers: number of :class:`HierarchicalLayer`.
        heads, rank, dropout, residual: of each.
    """

    def __init__(self, width: int, layers: int, heads: int, rank: int, *, dropout: float, residual: bool) -> None:
        super().__init__()
        self.place = nn.Linear(3, width)
        self.layers = nn.ModuleList(
            HierarchicalLayer(width, heads, rank, dropout=dropout, residual=residual) for _ in range(layers)
        )

    def forward(self, features: Tensor, place: Tensor, *, ranked: bool = True) -> Tensor:
        """(N, d) → (N, d).

        Args:
            features: T, (N, d), in the order of the sequence.
            place: x / W and y / H of each tile's corner, and its scale, (N, 3), in the same order.
            ranked: whether the order means anything; without, E is left out.
        """
        x: Tensor = features + self.place(place.to(features.dtype))
        if ranked:
            x = x + sinusoid(*features.shape).to(features)
        for layer in self.layers:
            x = layer(x)
        return x
