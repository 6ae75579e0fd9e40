"""Attention plus (A+): attention logits are smoothed over similar tiles, in memory linear in the bag."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def propagate(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """``softmax(Q Kᵀ / sqrt(k)) · v`` for one-channel values, never holding the N × N matrix.

    The value is widened to the width of the keys and handed to torch's fused attention, which works through blocks
    of queries and keys (exact; only the order of summation differs); the backward pass recomputes the blocks.
    Widths are filled up to a multiple of 8 with zeros, which the fused GPU kernels ask for and which changes
    neither the scores nor the first channel.

    Args:
        query, key: (B, m, N, k).
        value: (B, m, N).

    Returns:
        (B, m, N).
    """
    width = query.shape[-1]
    fill = -width % 8
    result = functional.scaled_dot_product_attention(
        functional.pad(query, (0, fill)),
        functional.pad(key, (0, fill)),
        functional.pad(value.unsqueeze(-1), (0, width + fill - 1)),
        scale=width**-0.5,
    )
    return result[..., 0]


class AttentionPlus(nn.Module):
    """``A' = A + U (α A)`` with ``U = softmax over keys of (LN(H) W_q)(LN(H) W_k)ᵀ / sqrt(k)``.

    The values that travel are the attention *logits*, one channel per head, never features. Layer norm, projections
    and α are shared by all heads. (ABMILX, arXiv 2506.02408; the layer norm is in the published code only.)

    Args:
        width: width k of a head.
        learned: whether α is learned; otherwise it stays at its first value.
        normal: draw α from N(0, 1) as the published code does, instead of starting at 1.
    """

    def __init__(self, width: int, *, learned: bool = True, normal: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query_key = nn.Linear(width, 2 * width, bias=False)
        self.alpha = nn.Parameter(torch.randn(()) if normal else torch.ones(()), requires_grad=learned)

    def forward(self, heads: Tensor, logits: Tensor, offsets: Tensor) -> Tensor:
        """Smoothed logits (T, m) of packed bags.

        Args:
            heads: (T, m, k) embeddings cut into heads.
            logits: (T, m) attention logits.
            offsets: (B + 1,) int64 on the CPU.
        """
        query, key = self.query_key(self.norm(heads)).chunk(2, -1)
        value = self.alpha * logits
        sizes = offsets.diff().tolist()
        if len(set(sizes)) == 1:
            bags, size = len(sizes), sizes[0]
            query, key, value = (part.unflatten(0, (bags, size)).transpose(1, 2) for part in (query, key, value))
            return logits + propagate(query, key, value).transpose(1, 2).flatten(0, 1)
        parts = [
            propagate(*(part.transpose(0, 1).unsqueeze(0) for part in bag))[0].T
            for bag in zip(*(torch.split(part, sizes) for part in (query, key, value)), strict=True)
        ]
        return logits + torch.cat(parts)
