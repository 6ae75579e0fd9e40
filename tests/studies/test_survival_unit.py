"""A unit of survival: what its training is told, what is held out, and what it leaves behind."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.lived import write_survival_dataset
from support.plugins import load_plugin
from support.units import run_unit, unit_of

from harness.core.errors import DataError, LeakError
from harness.datasets.dataset import Dataset, load_dataset
from harness.evaluation.survival import c_index, risk_of
from harness.protocols.held_out import Scorer, truth_for
from harness.sources.explain_unit import explain_unit
from harness.studies.planned_unit import prepare
from harness.tasks.survival import Survival
from harness.tasks.task import Task

PLUGIN = """
from torch import nn
from harness import Aggregator, BagOutput, MethodCard, MILMethod, MILParams, fixed, segment_mean

class Mean(Aggregator):
    def __init__(self, dim, outputs):
        super().__init__()
        self.head = nn.Linear(dim, outputs)
    def forward(self, bags):
        return BagOutput(self.head(segment_mean(bags.x, bags.offsets)))

class Small(MILMethod):
    card = MethodCard(name="small", title="Small", paper="none", tasks=("survival",))
    class Params(MILParams):
        lr: float = fixed(0.05, help="learning rate")
        epochs: int = fixed(3, help="epochs")
    def aggregator(self, dim):
        return Mean(dim, self.task.n_classes)
"""


def cuts_of(task: Task) -> tuple[float, ...]:
    """The limits between the intervals of time."""
    assert isinstance(task, Survival)
    return task.bin_edges


@pytest.fixture
def lived(tmp_path: Path) -> Dataset:
    return load_dataset(write_survival_dataset(tmp_path / "lived"))


@pytest.fixture
def survival_unit(tmp_path: Path):
    """A function that makes (unit, inputs, scorer) of a survival dataset."""
    (tmp_path / "small.py").write_text(PLUGIN)
    (method,) = load_plugin(str(tmp_path / "small.py"))

    def make(dataset: Dataset):
        unit, inputs = unit_of(dataset, method, cache=tmp_path / "cache", workdir=tmp_path / "work")
        return unit, inputs, Scorer(dataset, dataset.splits().folds)

    return make


def test_a_unit_predicts_survival_and_is_scored_by_the_held_out_follow_up(survival_unit, lived: Dataset) -> None:
    unit, inputs, scorer = survival_unit(lived)
    result = run_unit(unit, inputs, scorer)
    scored = result.rows
    assert scored.classes == ("interval_1", "interval_2", "interval_3", "later")
    assert scored.probabilities.shape == (len(unit.fold.test), 4)
    assert scored.truth["time"].tolist() == [lived.by_slide[slide].truth["time"] for slide in unit.fold.test]
    assert scored.groups.tolist() == [lived.by_slide[slide].label for slide in unit.fold.test]
    assert c_index(scored.truth["time"], scored.truth["event"], risk_of(scored.probabilities), None)[0] > 0.7
    assert (result.threshold, set(result.validation), len(cuts_of(result.task))) == (None, {"c_index"}, 2)
    assert result.result.facts["train"]["selected_by"] == "c_index"
    assert "time" in scored.rows()[0]
    pictures = replace(inputs, picture_of=lambda slide, weights: np.zeros((2, 2, 3), np.uint8))
    shown = explain_unit(replace(scored, attention=tuple(np.ones(1, np.float32) for _ in scored.slides)), pictures)
    highest = scored.slides[int(np.argmax(np.where(scored.groups == 1, risk_of(scored.probabilities), -np.inf)))]
    assert f"attention-{highest}.png" in shown


def test_training_is_told_nothing_that_depends_on_the_test_patients(survival_unit, lived: Dataset) -> None:
    """The intervals too: whatever happens to the test patients, the job of the unit stays the same."""
    unit, inputs, _ = survival_unit(lived)
    job = prepare(unit, inputs).job
    tested = set(unit.fold.test)
    other = replace(
        lived,
        entries=tuple(
            replace(entry, truth={"time": 99.0, "event": 1 - entry.label}, label=1 - entry.label)
            if entry.slide in tested
            else entry
            for entry in lived.entries
        ),
    )
    changed = prepare(unit, replace(inputs, dataset=other)).job
    assert job.task == changed.task
    assert (job.train.labels == changed.train.labels).all()
    assert pickle.dumps(replace(job, access=None)) == pickle.dumps(replace(changed, access=None))
    trained = set(unit.fold.train)
    moved = replace(
        lived,
        entries=tuple(
            replace(entry, truth={**entry.truth, "time": 2 * entry.truth["time"]}) if entry.slide in trained else entry
            for entry in lived.entries
        ),
    )
    bin_edges = cuts_of(prepare(unit, replace(inputs, dataset=moved)).job.task)
    assert bin_edges == pytest.approx([2 * cut for cut in cuts_of(job.task)])


def test_labels_are_intervals_and_events_of_the_training_patients(survival_unit, lived: Dataset) -> None:
    unit, inputs, _ = survival_unit(lived)
    job = prepare(unit, inputs).job
    assert (job.task.kind, job.task.n_classes, job.task.n_columns) == ("survival", 3, 4)
    for slide, label in zip(job.train.slides, job.train.labels, strict=True):
        entry = lived.by_slide[slide]
        assert label % 2 == entry.label
        assert label // 2 == sum(entry.truth["time"] >= cut for cut in cuts_of(job.task))
    assert job.val is not None
    assert job.val.truth.patients == tuple(lived.patients[slide] for slide in unit.fold.val)


def test_follow_up_of_test_slides_is_held_out(lived: Dataset) -> None:
    (fold, *_) = lived.splits().folds
    with pytest.raises(LeakError, match="labels of 1 test slides"):
        truth_for(lived, [*fold.train, fold.test[0]], held_out=fold.test)


def test_too_few_events_are_an_error_before_training(survival_unit, lived: Dataset) -> None:
    unit, inputs, scorer = survival_unit(lived)
    censored = replace(
        lived, entries=tuple(replace(entry, label=0, truth={**entry.truth, "event": 0}) for entry in lived.entries)
    )
    with pytest.raises(DataError, match="3 intervals cannot be cut from 0 events"):
        run_unit(unit, replace(inputs, dataset=censored), scorer)
