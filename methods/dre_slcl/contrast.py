"""Slide-report contrast: symmetric InfoNCE in which a slide may have several right reports."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def positives(patients: Sequence[str], reports: Sequence[str]) -> Tensor:
    """(B, B) bool: which report belongs to which slide.

    Its own, those of other slides of the patient, and those that say the same word for word: as negatives they would
    ask the slide to be unlike its own report.
    """
    known = list(zip(patients, reports, strict=True))
    same = [[patient == p or report == r for p, r in known] for patient, report in known]
    return torch.tensor(same, dtype=torch.bool)


def info_nce(slides: Tensor, reports: Tensor, positive: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE, the mean over slides and reports of minus the mean log-probability of their positives.

    ``S = v̂ t̂ᵀ / τ``; ``L = ½ [ -1/B Σ_i mean_{j in P(i)} log softmax_j S_ij  - the same of Sᵀ ]``. With one positive
    each this is the usual loss, ``½ [CE(S, diagonal) + CE(Sᵀ, diagonal)]``.

    Args:
        slides: (B, P) projected slide vectors.
        reports: (B, P) report vectors.
        positive: (B, B) bool, symmetric; every slide has its own report at least.
        temperature: τ.

    Returns:
        A scalar, computed in float32 at least.
    """
    with torch.autocast(slides.device.type, enabled=False):
        v = functional.normalize(slides if slides.dtype == torch.float64 else slides.float(), dim=1)
        scores = v @ functional.normalize(reports.to(v.dtype), dim=1).T / temperature
        weights = positive.to(v.dtype)
        weights = weights / weights.sum(1, keepdim=True)
        per_slide = -(weights * scores.log_softmax(1)).sum(1)
        # Being a positive is mutual, so rows of the transposed problem have the same weights.
        per_report = -(weights * scores.T.log_softmax(1)).sum(1)
        return 0.5 * (per_slide.mean() + per_report.mean())


def retrieval(slides: Tensor, reports: Tensor, positive: Tensor) -> float:
    """Share of slides whose nearest report is one of theirs."""
    v, t = (functional.normalize(x.float(), dim=1) for x in (slides, reports))
    nearest = (v @ t.T).argmax(1)
    return float(positive[torch.arange(len(v)), nearest.cpu()].float().mean())
