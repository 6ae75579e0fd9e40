"""Attention is scored within slides that have tiles of both kinds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from harness.evaluation.localisation import localisation


def test_scores_are_means_over_slides_with_tiles_of_both_kinds() -> None:
    rng = np.random.default_rng(0)
    labels = [rng.integers(0, 2, n) for n in (10, 30)] + [np.zeros(5, int), np.ones(4, int)]
    attention = [rng.dirichlet(np.ones(len(one))) for one in labels]
    found = localisation(attention, labels)
    mixed = list(zip(labels[:2], attention[:2], strict=True))
    assert found["patch_auc"] == pytest.approx(np.mean([roc_auc_score(*one) for one in mixed]))
    assert found["patch_average_precision"] == pytest.approx(np.mean([average_precision_score(*one) for one in mixed]))
    assert (found["slides"], found["tiles"]) == (2, 40)


def test_without_such_a_slide_they_are_undefined() -> None:
    found = localisation([[0.5, 0.5]], [[0, 0]])
    assert np.isnan([found[name] for name in ("patch_auc", "patch_auc_pooled", "patch_average_precision")]).all()
    assert found["slides"] == found["tiles"] == 0
