"""The weights of every epoch predict where a job asks for it, and the unit is otherwise what it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness import MethodError, MILMethod, Prediction
from harness.jobs.result import JobResult
from harness.jobs.train import train_and_predict
from harness.studies.planned_unit import prepare


def result_of(toy_unit, *, every_epoch: bool, **settings: object) -> JobResult:
    unit, inputs, _ = toy_unit(**settings)
    unit = replace(unit, every_epoch=every_epoch)
    prepared = prepare(unit, inputs)
    return train_and_predict(prepared.job, unit.method).with_names(prepared.names)


@pytest.mark.parametrize("protocol", ["cv2", "last"])
def test_every_epoch_predicts_and_the_unit_does_not_notice(toy_unit, protocol):
    alone = result_of(toy_unit, every_epoch=False, protocol=protocol, name="alone")
    watched = result_of(toy_unit, every_epoch=True, protocol=protocol, name="watched")
    assert alone.epochs is None
    assert np.array_equal(alone.test.probabilities, watched.test.probabilities)
    assert alone.curve == watched.curve
    assert watched.epochs.test.shape == (6, len(watched.test.slides), 2)
    kept = watched.facts["train"]["best_epoch"]
    assert np.array_equal(watched.epochs.test[kept], watched.test.probabilities)
    assert len({epoch.tobytes() for epoch in watched.epochs.test}) == 6
    if protocol == "cv2":
        assert np.array_equal(watched.epochs.val[kept], watched.val.probabilities)
    else:
        assert watched.epochs.val is None


def test_a_shorter_training_ends_with_what_the_longer_one_showed(toy_unit):
    long = result_of(toy_unit, every_epoch=True, protocol="last", name="long")
    short = result_of(toy_unit, every_epoch=False, protocol="last", name="short", epochs=3)
    assert np.array_equal(long.epochs.test[2], short.test.probabilities)


def test_early_stopping_ends_what_is_seen(toy_unit):
    result = result_of(toy_unit, every_epoch=True, epochs=40, patience=2)
    assert len(result.epochs) == result.facts["train"]["epochs"] < 40


def test_an_answer_with_epochs_goes_through_its_files(toy_unit, tmp_path):
    for every_epoch in (True, False):
        result = result_of(toy_unit, every_epoch=every_epoch, name=f"work{every_epoch}")
        result.save(tmp_path / "result")
        again = JobResult.load(tmp_path / "result")
        if every_epoch:
            assert again.epochs.stage == "train"
            assert np.array_equal(again.epochs.test, result.epochs.test)
            assert np.array_equal(again.epochs.val, result.epochs.val)
        else:
            assert again.epochs is None


def test_an_interrupted_unit_keeps_the_epochs_it_has_seen(toy_unit, monkeypatch):
    monkeypatch.setenv("BENCH_CHECKPOINT_SECONDS", "0")
    whole = result_of(toy_unit, every_epoch=True, name="whole")
    unit, inputs, _ = toy_unit(name="broken")
    unit = replace(unit, every_epoch=True)
    prepared = prepare(unit, inputs)
    calls = []

    class Stopping(unit.method):
        def predict(self, bags, run):
            calls.append(bags)
            if len(calls) == 6:
                raise InterruptedError("stands for the process being killed")
            return super().predict(bags, run)

    with pytest.raises(InterruptedError):
        train_and_predict(prepared.job, Stopping)
    seen = sorted(path.name for path in (unit.workdir / "epochs").iterdir())
    assert seen == ["epoch-00000.npz", "epoch-00001.npz"]
    again = train_and_predict(prepared.job, unit.method).with_names(prepared.names)
    assert np.array_equal(again.epochs.test, whole.epochs.test)
    assert np.array_equal(again.epochs.val, whole.epochs.val)


class Deaf(MILMethod):
    """Does not predict with the weights as they stand: it has its mind made up."""

    def predict(self, bags, run):
        result = super().predict(bags, run)
        return Prediction(result.slides, np.full(result.probabilities.shape, 0.5)) if run.curve else result


def test_a_method_whose_predictions_do_not_follow_its_training_is_told_so(toy_unit):
    tiny = toy_unit()[0].method

    def made(name: str, base: type = MILMethod, **members: object) -> type:
        return type(name, (base,), {"card": tiny.card, "Params": tiny.Params, "aggregator": tiny.aggregator, **members})

    cases = {
        "cannot predict while it is trained": made("Silent", final_stage=""),
        "no stage named 'later'": made("Later", final_stage="later"),
        "predicts otherwise after the training": made("Hearing", Deaf),
    }
    for words, method in cases.items():
        with pytest.raises(MethodError, match=words):
            result_of(toy_unit, every_epoch=True, method=method, name=method.__name__)
