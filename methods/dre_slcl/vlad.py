"""Residual encoding (VLAD) of packed bags against a fixed codebook."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from harness.api import segment_ids

EPS = 1e-6


def assign(features: Tensor, codebook: Tensor) -> Tensor:
    """The nearest codeword of each feature: (T, d) and (K, d) → (T,) int64. Of equally near ones the first.

    ``argmin_k |x - c_k|² = argmin_k |c_k|² - 2 x·c_k``. No gradient goes through it.
    """
    with torch.no_grad():
        return (codebook.square().sum(1) - 2 * features @ codebook.T).argmin(1)


def residual_sums(features: Tensor, offsets: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    """Per bag and codeword the sum of residuals, before any normalisation.

    ``V_bk = Σ_{x in bag b, a(x) = k} (x - c_k)``, zero where a codeword has no tile.

    Args:
        features: (T, d) of all bags, one behind the other.
        offsets: (B + 1,) int64 on the CPU.
        codebook: (K, d).

    Returns:
        Sums (B, K, d), with gradient to ``features``, and the number of tiles (B, K) int64.
    """
    bags, words = len(offsets) - 1, len(codebook)
    codes = assign(features, codebook)
    slots = segment_ids(offsets, features.device) * words + codes
    sums = features.new_zeros((bags * words, features.shape[1])).index_add(0, slots, features - codebook[codes])
    counts = torch.zeros(bags * words, dtype=torch.int64, device=features.device)
    counts = counts.index_add(0, slots, torch.ones_like(slots))
    return sums.reshape(bags, words, -1), counts.reshape(bags, words)


def normalise(sums: Tensor) -> Tensor:
    """Row-wise, then global L2 normalisation: (B, K, d) → (B, K, d) with norm 1 per bag.

    The rows first (intra-normalisation), which takes away the dependence on the number of tiles; a row of zeros
    stays zero.
    """
    rows = functional.normalize(sums, dim=2, eps=EPS)
    return functional.normalize(rows.flatten(1), dim=1, eps=EPS).reshape(sums.shape)


def encode(features: Tensor, offsets: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    """The VLAD matrix (B, K, d) of every bag, in float32 whatever the precision around it, and counts (B, K)."""
    with torch.autocast(features.device.type, enabled=False):
        sums, counts = residual_sums(features.to(codebook.dtype), offsets, codebook)
        return normalise(sums), counts
