"""Nyström attention: softmax attention through landmarks, in memory and time linear in the sequence."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

ATTENTION_BLOCK = 8192
"""Tiles per block when a row of the attention matrix is written out."""


def pseudo_inverse(matrix: Tensor, iterations: int) -> Tensor:
    """Iterative Moore-Penrose pseudo-inverse (Nyströmformer, Xiong et al. 2021, arXiv 2102.03902).

    ``Z ← ¼ Z (13 I − A Z (15 I − A Z (7 I − A Z)))`` from ``Z = Aᵀ / (max column sum · max row sum)``. As in the
    published code the two maxima run over all heads together.

    Args:
        matrix: A, (m, n, n).
        iterations: how often; the paper uses 6.
    """
    sums = matrix.abs()
    z = matrix.transpose(-1, -2) / (sums.sum(-1).amax() * sums.sum(-2).amax())
    eye = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    for _ in range(iterations):
        az = matrix @ z
        z = 0.25 * z @ (13 * eye - az @ (15 * eye - az @ (7 * eye - az)))
    return z


class NystromAttention(nn.Module):
    """Multi-head self-attention over one sequence, approximated with landmarks (Nyströmformer, arXiv 2102.03902).

    ``softmax(Q K̃ᵀ) · softmax(Q̃ K̃ᵀ)⁺ · softmax(Q̃ Kᵀ) V`` with landmarks Q̃, K̃ = means of l consecutive queries and
    keys, plus a depth-wise convolution of V along the sequence. As in the published code the sequence is filled
    *in front* with zeros to a multiple of the number of landmarks, and the filling is not masked.

    The product is taken from the right, so that neither N × landmarks matrix is ever held.

    Args:
        width: width d of the tokens.
        heads: number of heads; must divide d.
        landmarks: number of landmarks.
        iterations: of the pseudo-inverse.
        kernel: length of the convolution.
        dropout: behind the output projection.
    """

    def __init__(
        self,
        width: int,
        *,
        heads: int = 8,
        landmarks: int = 256,
        iterations: int = 6,
        kernel: int = 33,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.landmarks = landmarks
        self.iterations = iterations
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.convolve = nn.Conv2d(heads, heads, (kernel, 1), padding=(kernel // 2, 0), groups=heads, bias=False)
        self.project = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, d) → (N, d)."""
        query, key, value = self._heads(tokens)
        few_queries, few_keys = self._means(query), self._means(key)
        inner = functional.scaled_dot_product_attention(few_queries, key, value, scale=1.0)
        inner = self._inverse(few_queries, few_keys) @ inner
        mixed = functional.scaled_dot_product_attention(query, few_keys, inner, scale=1.0)
        mixed = mixed + self.convolve(value.unsqueeze(0))[0]
        result: Tensor = self.dropout(self.project(mixed.transpose(0, 1).flatten(1)))
        return result[-len(tokens) :]

    @torch.no_grad()
    def first_row(self, tokens: Tensor) -> Tensor:
        """Attention of the first token to all N tokens, (heads, N); entries may be slightly negative."""
        query, key, _ = self._heads(tokens)
        few_queries, few_keys = self._means(query), self._means(key)
        first = query[:, -len(tokens)].unsqueeze(1)
        left = (first @ few_keys.transpose(1, 2)).softmax(-1) @ self._inverse(few_queries, few_keys)
        blocks = torch.split(key, ATTENTION_BLOCK, 1)
        sums = torch.stack([(few_queries @ block.transpose(1, 2)).logsumexp(-1) for block in blocks]).logsumexp(0)
        row = [left @ (few_queries @ block.transpose(1, 2) - sums.unsqueeze(-1)).exp() for block in blocks]
        return torch.cat(row, -1)[:, 0, -len(tokens) :]

    def _heads(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scaled queries, keys and values, each (heads, N filled up, d / heads)."""
        tokens = functional.pad(tokens, (0, 0, -len(tokens) % self.landmarks, 0))
        query, key, value = self.qkv(tokens).unflatten(1, (3, self.heads, -1)).permute(1, 2, 0, 3)
        return query * query.shape[-1] ** -0.5, key, value

    def _means(self, sequence: Tensor) -> Tensor:
        return torch.unflatten(sequence, 1, (self.landmarks, -1)).mean(2)

    def _inverse(self, few_queries: Tensor, few_keys: Tensor) -> Tensor:
        # The iteration amplifies rounding: never below single precision, also under autocast.
        precise = torch.promote_types(few_queries.dtype, torch.float32)
        with torch.autocast(few_queries.device.type, enabled=False):
            scores = few_queries.to(precise) @ few_keys.to(precise).transpose(1, 2)
            return pseudo_inverse(scores.softmax(-1), self.iterations)
