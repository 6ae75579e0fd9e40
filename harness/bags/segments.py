"""Operations over the segments of packed bags: one value per bag, or a normalisation within each bag.

``values`` has shape (T, ...) and ``offsets`` (B + 1,) int64 on the CPU. All are differentiable and give the same
result for a bag on its own and in a batch (up to rounding); on the CPU they are deterministic.
"""

from __future__ import annotations

import torch
from torch import Tensor


def segment_ids(offsets: Tensor, device: torch.device) -> Tensor:
    """The number of the bag that each row belongs to, shape (T,) int64."""
    sizes = offsets.diff()
    return torch.repeat_interleave(torch.arange(len(sizes)), sizes).to(device, non_blocking=True)


def segment_sum(values: Tensor, offsets: Tensor) -> Tensor:
    """Sum within each bag: (T, ...) → (B, ...)."""
    if len(offsets) == 2:
        return values.sum(0, keepdim=True)
    result = values.new_zeros((len(offsets) - 1, *values.shape[1:]))
    return result.index_add(0, segment_ids(offsets, values.device), values)


def segment_mean(values: Tensor, offsets: Tensor) -> Tensor:
    """Mean within each bag: (T, ...) → (B, ...)."""
    sizes = offsets.diff().to(values.device, values.dtype)
    return segment_sum(values, offsets) / sizes.reshape(-1, *[1] * (values.dim() - 1))


def segment_max(values: Tensor, offsets: Tensor) -> Tensor:
    """Element-wise maximum within each bag: (T, ...) → (B, ...). Ties share the gradient."""
    if len(offsets) == 2:
        return values.amax(0, keepdim=True)
    ids = segment_ids(offsets, values.device)
    index = ids.reshape(-1, *[1] * (values.dim() - 1)).expand_as(values)
    start = values.new_full((len(offsets) - 1, *values.shape[1:]), -torch.inf)
    return start.scatter_reduce(0, index, values, "amax")


def segment_softmax(scores: Tensor, offsets: Tensor) -> Tensor:
    """Softmax over the tiles of each bag: (T, ...) → (T, ...), every bag sums to one."""
    if len(offsets) == 2:
        return scores.softmax(0)
    ids = segment_ids(offsets, scores.device)
    shifted = scores - segment_max(scores.detach(), offsets)[ids]
    exponents = shifted.exp()
    return exponents / segment_sum(exponents, offsets)[ids]


def segment_weighted_sum(weights: Tensor, values: Tensor, offsets: Tensor) -> Tensor:
    """Attention pooling: weights (T,) and values (T, D) → (B, D)."""
    if len(offsets) == 2:
        return weights.unsqueeze(0) @ values
    return segment_sum(weights.unsqueeze(1) * values, offsets)
