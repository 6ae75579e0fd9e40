"""Discrete-time survival: the likelihood of follow-up under predicted hazards.

A network gives K logits per bag. Their sigmoids are hazards: h_k is the probability of an event in interval k for those
who have outlived the intervals before. Then S_k = (1 - h_1) ... (1 - h_k) outlive interval k, and S_{k-1} h_k have the
event in it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def survival_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean negative log-likelihood of what was seen.

    -log S_{y-1} - log h_y for an event in interval y, -log S_y for somebody censored in it (ABMILX 2025, arXiv
    2506.02408, code, with alpha = 0; Zadeh and Schmid 2021, doi:10.1109/tpami.2020.2979450). The code clamps
    probabilities at 1e-7; log-sigmoids need no clamp. Half precision is left, as in the code.

    Args:
        logits: of the hazards, (B, K).
        labels: twice the interval, plus 1 for an event, (B,) int64; see
            :meth:`harness.tasks.follow_up.FollowUp.event_time_labels`.
    """
    z = logits.to(torch.promote_types(logits.dtype, torch.float32))
    interval, event = (labels >> 1)[:, None], (labels & 1)[:, None].bool()
    number = torch.arange(z.shape[1], device=z.device)
    outlived = (number < interval) | ((number == interval) & ~event)
    ended = (number == interval) & event
    # log(1 - sigmoid(z)) = log sigmoid(-z)
    terms = outlived * functional.logsigmoid(-z) + ended * functional.logsigmoid(z)
    return -terms.sum(1).mean()


def interval_probabilities(logits: Tensor) -> Tensor:
    """(B, K) logits of hazards → (B, K + 1): probability of an event in each interval, and later. Double precision."""
    z = logits.double()
    outlived = functional.logsigmoid(-z).cumsum(1).exp()
    before = torch.cat([torch.ones_like(outlived[:, :1]), outlived[:, :-1]], 1)
    return torch.cat([before * torch.sigmoid(z), outlived[:, -1:]], 1)
