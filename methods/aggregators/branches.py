"""Which of several attention branches stands for a bag."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.api import segment_ids


def predicted_branch(attention: Tensor, logits: Tensor, offsets: Tensor) -> Tensor:
    """Attention (T,) of the class that each bag is predicted to be.

    Args:
        attention: (T, C), one branch per class.
        logits: (B, C).
        offsets: (B + 1,) int64 on the CPU.
    """
    chosen = logits.detach().argmax(1)[segment_ids(offsets, logits.device)]
    return torch.take_along_dim(attention, chosen.unsqueeze(1), 1)[:, 0]
