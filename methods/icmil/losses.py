"""The losses of ICMIL's distillation."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Losses(NamedTuple):
    """``loss = w L_c + α L_w`` and its parts, each a scalar."""

    loss: Tensor
    consistency: Tensor
    similarity: Tensor


def divergence(target: Tensor, logits: Tensor, reduction: str, weights: Tensor | None = None) -> Tensor:
    """``KL(softmax(target) ‖ softmax(logits))`` over the last dimension, averaged.

    ``sample``: ``1/n Σ_i w_i Σ_k p_ik (log p_ik - log q_ik)``, the mean over n tiles of a proper divergence.
    ``element``: that divided by the width K too, as the published code's mean over all elements does: the divergence
    of logits then counts 1/C and that of the hidden layer 1/512.

    Args:
        target: (n, K) logits of the fixed distribution p.
        logits: (n, K) logits of q.
        reduction: ``element`` or ``sample``.
        weights: (n,) factor w on each tile; None for 1.
    """
    log_p = functional.log_softmax(target.float(), -1)
    log_q = functional.log_softmax(logits.float(), -1)
    rows = (log_p.exp() * (log_p - log_q)).sum(-1)
    if weights is not None:
        rows = rows * weights
    return rows.mean() / (target.shape[-1] if reduction == "element" else 1)


def coupling_losses(
    *,
    teacher_hidden: Tensor,
    teacher_logits: Tensor,
    student_logits: Tensor,
    tied_hidden: Tensor,
    tied_logits: Tensor,
    alpha: float,
    reduction: str,
    weights: Tensor | None = None,
) -> Losses:
    """Loss of one batch of n tiles (arXiv 2303.15749; with ``weights`` arXiv 2312.01099, equation 8).

    ``L_c = KL(p_T ‖ p_S)`` with student probabilities of the augmented tile;
    ``L_w = KL(p_T ‖ p_W) + KL(softmax z_T ‖ softmax z_W)`` with the student's heads on the *teacher's* features;
    ``L = w L_c + α L_w``.

    Args:
        teacher_hidden: z_T (n, d).
        teacher_logits: (n, C).
        student_logits: (n, C) of augmented tiles through student embedder and heads.
        tied_hidden, tied_logits: z_W (n, d) and (n, C): student heads on the teacher's features.
        alpha: weight of L_w.
        reduction: see :func:`divergence`.
        weights: (n,) confidence; on L_c alone.
    """
    teacher_hidden, teacher_logits = teacher_hidden.detach(), teacher_logits.detach()
    consistency = divergence(teacher_logits, student_logits, reduction, weights)
    similarity = divergence(teacher_logits, tied_logits, reduction) + divergence(teacher_hidden, tied_hidden, reduction)
    return Losses(consistency + alpha * similarity, consistency, similarity)


def scaled(scores: Tensor) -> Tensor:
    """Scores (n,) moved to [0, 1] by the smallest and largest of the batch; all 1 where they are all equal."""
    low, high = scores.min(), scores.max()
    spread = high - low
    return torch.where(spread > 0, (scores - low) / spread.clamp_min(torch.finfo(scores.dtype).tiny), 1.0)


def confidence(scores: list[Tensor], beta: float) -> Tensor:
    """Weight of each tile, ``σ = |(2a - 1)^β|`` (arXiv 2312.01099): 1 at either end, 0 in the middle.

    Args:
        scores: attention scores (n,) of the batch before any softmax. One of them (ABMIL): ``a`` is that score scaled
            to [0, 1]. Two (DTFD, by tier): each goes through a softmax over the batch, is scaled, and they are
            multiplied.
        beta: β.
    """
    if len(scores) == 1:
        a = scaled(scores[0].float())
    else:
        a = torch.stack([scaled(score.float().softmax(0)) for score in scores]).prod(0)
    return (2 * a - 1).abs() ** beta
