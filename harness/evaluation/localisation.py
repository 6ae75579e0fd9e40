"""How well attention, or another number per tile, finds the tiles that make a slide positive."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from harness.evaluation.metrics import roc_auc
from harness.evaluation.probability_scores import average_precision


def localisation(attention: Sequence[ArrayLike], instance_labels: Sequence[ArrayLike]) -> dict[str, float | int]:
    """AUC and average precision of attention against the true label of each tile.

    Attention sums to one in every slide, so weights of two slides do not compare: the AUC is taken within each slide
    that has tiles of both kinds, and averaged over these slides. The pooled value, over all their tiles with attention
    multiplied by the slide's number of tiles, is given beside it.

    Args:
        attention: per slide (n_tiles,) weights.
        instance_labels: per slide (n_tiles,) labels, 1 for the tiles that should be found.

    Returns:
        ``patch_auc`` and ``patch_average_precision`` (means over slides), ``patch_auc_pooled`` (all NaN where no slide
        has tiles of both kinds), the number of ``slides`` and of ``tiles`` that counted.
    """
    pairs = [(np.asarray(a, np.float64), np.asarray(y)) for a, y in zip(attention, instance_labels, strict=True)]
    mixed = [(weights, labels) for weights, labels in pairs if 0 < labels.sum() < len(labels)]
    if not mixed:
        none = dict.fromkeys(("patch_auc", "patch_auc_pooled", "patch_average_precision"), float("nan"))
        return {**none, "slides": 0, "tiles": 0}
    each = [float(roc_auc(labels, weights)[0]) for weights, labels in mixed]
    precision = [average_precision(labels, weights, np.ones((1, len(labels))))[0] for weights, labels in mixed]
    pooled = roc_auc(np.concatenate([labels for _, labels in mixed]), np.concatenate([w * len(w) for w, _ in mixed]))
    return {
        "patch_auc": float(np.mean(each)),
        "patch_auc_pooled": float(pooled[0]),
        "patch_average_precision": float(np.mean(precision)),
        "slides": len(mixed),
        "tiles": int(sum(len(labels) for _, labels in mixed)),
    }
