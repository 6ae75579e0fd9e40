"""Figures show what they are given; whether they are beautiful, eyes decide."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from harness.evaluation.study_scores import Predictions, study_scores
from harness.tasks import plots as figures
from harness.tasks.plots import confusion_figure, curve_figure, roc_figure

pytestmark = pytest.mark.usefixtures("painted")


def made(*, n: int = 30, classes: int = 2, folds: int = 1, one_class: bool = False) -> Predictions:
    rng = np.random.default_rng(0)
    label = np.zeros(n, int) if one_class else np.arange(n) % classes
    p = rng.dirichlet(np.ones(classes), n) + 0.8 * np.eye(classes)[label]
    p /= p.sum(axis=1, keepdims=True)
    zero, fold = np.zeros(n, int), np.arange(n) // classes % folds
    return Predictions(zero, fold, zero, np.arange(n).astype(str), label, p, p.argmax(axis=1))


def pixels(png: bytes | None) -> np.ndarray:
    assert png is not None
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def names(count: int) -> tuple[str, ...]:
    return tuple(f"class {k}" for k in range(count))


@pytest.mark.parametrize(("classes", "folds"), [(2, 1), (2, 3), (4, 1), (12, 1)])
def test_a_roc_curve_is_drawn_for_any_number_of_classes_and_folds(classes: int, folds: int) -> None:
    data = made(n=60, classes=classes, folds=folds)
    auc = study_scores(data, resamples=50).scores["auc"]
    picture = pixels(roc_figure(data, names(classes), title="x", auc=auc))
    assert picture.shape[0] == picture.shape[1] > 300
    assert (picture < 128).any() and (picture[0] == 255).all()


def test_a_better_method_has_a_higher_curve() -> None:
    data = made()
    good = pixels(roc_figure(data, names(2), title="x"))
    flipped = Predictions(**{**vars(data), "label": 1 - data.label})
    poor = pixels(roc_figure(flipped, names(2), title="x"))
    left = [p[:, 80:250].astype(int) for p in (good, poor)]
    height = [np.argwhere(p[..., 2] - p[..., 0] > 80)[:, 0].mean() for p in left]
    assert height[0] < height[1] - 50


def test_one_class_has_no_roc_curve_but_a_confusion_matrix() -> None:
    data = made(one_class=True)
    assert roc_figure(data, names(2), title="x") is None
    assert pixels(confusion_figure(data, names(2), title="x")).size


def test_the_diagonal_of_a_good_method_is_the_darkest(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made(n=90, classes=3)
    perfect = Predictions(**{**vars(data), "predicted": data.label})
    seen = {}
    monkeypatch.setattr(figures, "png", lambda figure: seen.update(axes=figure.axes[0]))
    assert confusion_figure(perfect, names(3), title="x") is None
    (mesh,) = seen["axes"].collections
    assert np.array_equal(mesh.get_array(), np.eye(3))
    cells = {text.get_position(): text.get_text() for text in seen["axes"].texts}
    assert cells[0.5, 0.5] == cells[2.5, 2.5] == "30\n100%"
    assert cells[1.5, 0.5] == "0\n0%"


def test_class_names_of_any_kind_are_drawn_as_they_are() -> None:
    hostile = ("$\\frac{broken", "<b>" + "very long " * 10)
    assert pixels(confusion_figure(made(), hostile, title="100 % $x_{ \\ $")).size
    assert pixels(roc_figure(made(n=40, classes=3), (*hostile, "_hidden"), title="$")).size


def test_training_curves_of_several_units_and_stages() -> None:
    unit = [
        {"stage": stage, "epoch": str(epoch), "loss": str(1 / (epoch + 1)), "val_auc": "" if epoch % 2 else "0.5"}
        for stage in ("head", "tune")
        for epoch in range(5)
    ]
    assert pixels(curve_figure([unit, unit], title="x")).size
    assert figures._series(unit)["loss"].keys() == {float(k) for k in range(10)}
    assert curve_figure([[], [{"stage": "a", "epoch": "0", "loss": ""}]], title="x") is None


def test_figures_leave_no_global_state_behind() -> None:
    import matplotlib
    from matplotlib import pyplot

    before, backend = dict(matplotlib.rcParams), matplotlib.get_backend()
    roc_figure(made(), names(2), title="x")
    confusion_figure(made(), names(2), title="x")
    assert dict(matplotlib.rcParams) == before and matplotlib.get_backend() == backend
    assert pyplot.get_fignums() == []


def test_settings_that_somebody_has_made_change_no_figure(painted: None) -> None:
    import matplotlib

    plain = roc_figure(made(), names(2), title="x")
    with matplotlib.rc_context({"font.size": 18, "axes.labelsize": 18, "lines.linewidth": 7, "figure.dpi": 30}):
        assert roc_figure(made(), names(2), title="x") == plain
