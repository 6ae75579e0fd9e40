from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from types import FunctionType

import numpy as np
import pytest

from harness.api.prediction import Prediction
from harness.core.errors import LeakError, MethodError
from harness.datasets.dataset import Dataset
from harness.protocols.held_out import Scorer, truth_for

TILES = {"test_001": np.array([0, 0]), "test_002": np.array([0, 1, 1])}
P = np.array([[0.75, 0.25], [0.125, 0.875]])


def scorer_of(dataset: Dataset, **more) -> Scorer:
    return Scorer(dataset, dataset.splits().folds, **more)


def answer(*slides: str, p=P, attention=None) -> Prediction:
    return Prediction(slides or ("test_001", "test_002"), np.asarray(p), attention)


def test_prediction_and_truth_are_joined_by_slide_id(tiny: Dataset) -> None:
    (fold,) = tiny.splits().folds
    scored = scorer_of(tiny).score(fold, answer("test_002", "test_001", p=P[::-1]))
    assert scored.rows() == [
        {"slide": "test_001", "patient": "p4", "label": 0, "repeat": 0, "fold": 0, "p_normal": 0.75, "p_tumor": 0.25},
        {"slide": "test_002", "patient": "p5", "label": 1, "repeat": 0, "fold": 0, "p_normal": 0.125, "p_tumor": 0.875},
    ]
    assert len(scored) == 2


def test_accesses_are_counted_per_fold_and_refused_ones_are_not(tiny: Dataset) -> None:
    (fold,) = tiny.splits().folds
    scorer = scorer_of(tiny)
    with pytest.raises(MethodError):
        scorer.score(fold, answer("test_001", p=P[:1]))
    assert [scorer.score(fold, answer()).accesses for _ in range(3)] == [1, 2, 3]
    assert scorer.accesses == 3


def test_nothing_that_a_scorer_shows_depends_on_the_truth(tiny: Dataset) -> None:
    flipped = replace(tiny, entries=tuple(replace(entry, label=1 - entry.label) for entry in tiny.entries))
    one, other = scorer_of(tiny, instance_labels=TILES.__getitem__), scorer_of(flipped)
    shown = {name: value for name, value in vars(one).items() if not isinstance(value, FunctionType)}
    assert shown == {name: vars(other)[name] for name in shown}
    assert set(vars(one)) - set(shown) == {"_reveal"}
    assert vars(one)["_reveal"].__dict__ == {}
    assert {name for name in dir(one) if not name.startswith("_")} == {"accesses", "score", "score_each"}
    assert repr(one) == repr(other) == "Scorer(1 folds, 0 accesses)"


@pytest.mark.parametrize("carry", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_scorer_cannot_be_carried_away(tiny: Dataset, carry) -> None:
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        carry(scorer_of(tiny))


def test_only_the_protocols_own_test_sets_are_scored(tiny: Dataset) -> None:
    (fold,) = tiny.splits().folds
    made_up = replace(fold, train=fold.test, test=fold.train[:2])
    with pytest.raises(LeakError, match="not the test set"):
        scorer_of(tiny).score(made_up, answer(*made_up.test))


@pytest.mark.parametrize(
    ("prediction", "words"),
    [
        (answer("test_001", p=P[:1]), "no prediction for 1 test slides: test_002"),
        (answer("test_001", "test_002", "tumor_001", p=P[[0, 1, 1]]), "1 slides that are not tested: tumor_001"),
        (answer("test_001", "test_002", "test_002", p=P[[0, 1, 1]]), "more than one prediction for test_002"),
        (answer(p=P[:, :1]), r"shape \(2, 1\), expected \(2, 2\)"),
        (answer(p=[[0.5, 0.5], [np.nan, 1]]), "not finite for test_002"),
        (answer(p=[[0.5, 0.5], [0.5, 0.6]]), "sum to one"),
        (answer(p=[[0.5, 0.5], [-0.5, 1.5]]), "negative"),
    ],
)
def test_wrong_predictions_are_refused_by_name(tiny: Dataset, prediction: Prediction, words: str) -> None:
    (fold,) = tiny.splits().folds
    with pytest.raises(MethodError, match=words):
        scorer_of(tiny).score(fold, prediction)


def test_instance_truth_comes_with_attention_in_the_order_of_the_fold(tiny: Dataset) -> None:
    (fold,) = tiny.splits().folds
    scorer = scorer_of(tiny, instance_labels=TILES.__getitem__)
    weights = (np.array([0.1, 0.2, 0.7], np.float32), np.array([0.5, 0.5], np.float32))
    scored = scorer.score(fold, answer("test_002", "test_001", p=P[::-1], attention=weights))
    assert scored.attention is not None
    assert scored.instance_labels is not None
    assert [len(one) for one in scored.attention] == [2, 3]
    assert [one.tolist() for one in scored.instance_labels] == [[0, 0], [0, 1, 1]]


def test_attention_of_another_length_is_refused(tiny: Dataset) -> None:
    (fold,) = tiny.splits().folds
    weights = (np.ones(2, np.float32), np.ones(2, np.float32))
    with pytest.raises(MethodError, match="slide test_002 has 3 tiles, and attention for 2"):
        scorer_of(tiny, instance_labels=TILES.__getitem__).score(fold, answer(attention=weights))


def test_unknown_instance_truth_is_none(tiny: Dataset) -> None:
    (fold,) = tiny.splits().folds
    assert scorer_of(tiny, instance_labels=lambda slide: None).score(fold, answer()).instance_labels is None


def test_labels_are_opened_for_training_only(tiny: Dataset) -> None:
    (fold,) = tiny.splits().folds
    assert truth_for(tiny, fold.train, held_out=fold.test)["label"].tolist() == [0, 0, 1]
    with pytest.raises(LeakError, match=r"1 test slides.*: test_002"):
        truth_for(tiny, (*fold.train, "test_002"), held_out=fold.test)
