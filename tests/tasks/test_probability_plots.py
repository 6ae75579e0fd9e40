"""Figures of probabilities are drawn for any number of classes and folds."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from support.evidence import predictions

from harness.evaluation.study_scores import Predictions
from harness.tasks.classification import Classification
from harness.tasks.probability_plots import calibration_figure, precision_recall_figure

pytestmark = pytest.mark.usefixtures("painted")


def made(classes: int, folds: int) -> Predictions:
    names = tuple(f"class {k}" for k in range(classes))
    parts = [predictions(fold=fold, folds=folds, n=60, classes=names).rows().columns() for fold in range(folds)]
    return Predictions(**{name: np.concatenate([one[name] for one in parts]) for name in parts[0]})


@pytest.mark.parametrize(("classes", "folds"), [(2, 1), (2, 3), (4, 1)])
def test_they_are_drawn(classes: int, folds: int) -> None:
    data, names = made(classes, folds), [f"class {k}" for k in range(classes)]
    for figure in (precision_recall_figure, calibration_figure):
        picture = np.asarray(Image.open(io.BytesIO(figure(data, names, title="x"))).convert("RGB"))
        assert (picture[..., 2].astype(int) - picture[..., 0] > 60).any() and (picture[0] == 255).all()


def test_one_class_has_a_calibration_but_no_precision_recall_curve() -> None:
    data = made(2, 1)
    one = data.only(np.flatnonzero(data.label == 1))
    assert precision_recall_figure(one, ("no", "yes"), title="x") is None
    assert calibration_figure(one, ("no", "yes"), title="x")


def test_a_study_has_them_and_a_unit_does_not() -> None:
    data = made(2, 1)
    unit, study = (
        draw(data, ("no", "yes"), "x", None) for draw in (Classification.figures, Classification.study_figures)
    )
    assert set(study) - set(unit) == {"precision_recall.png", "calibration.png"}
