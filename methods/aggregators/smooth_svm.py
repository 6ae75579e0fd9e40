"""Smooth top-1 SVM loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

HARD_MARGIN = math.log(1000)
"""Lead of the best score, in units of the temperature, from which the published code takes the hard loss."""


def smooth_top1_svm(logits: Tensor, targets: Tensor, *, temperature: float = 1.0, margin: float = 1.0) -> Tensor:
    """Mean smooth top-1 SVM loss (Berrada, Zisserman and Kumar, ICLR 2018, arXiv 1802.07595).

    ``L = τ log Σ_j exp((Δ_j + s_j − s_y) / τ)`` with ``Δ_j = margin`` for j ≠ y and 0 for j = y. Rows in which the
    best score leads the second by at least τ log(1000) take the limit τ → 0, ``max_j (Δ_j + s_j − s_y)``, as the
    published code does; the two differ there by less than 0.003 (τ = 1).

    Args:
        logits: (n, C).
        targets: (n,) int64.
        temperature: τ.
        margin: Δ.
    """
    margins = margin * (1 - functional.one_hot(targets, logits.shape[1]).to(logits.dtype))
    gaps = logits + margins - logits.gather(1, targets[:, None])
    smooth = temperature * torch.logsumexp(gaps / temperature, 1)
    best = logits.detach().topk(2, 1).values
    is_hard = best[:, 0] - best[:, 1] >= temperature * HARD_MARGIN
    return torch.where(is_hard, gaps.amax(1), smooth).mean()
