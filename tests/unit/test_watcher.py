"""The weights of every epoch predict where that is ordered, and the unit is otherwise what it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness import MethodError, MILMethod, Prediction
from harness.unit.answer import UnitAnswer
from harness.unit.order import make_order
from harness.unit.work import work


def answer_of(toy_unit, *, watch: bool, **settings: object) -> UnitAnswer:
    job, inputs, _ = toy_unit(**settings)
    job = replace(job, watch=watch)
    order, real = make_order(job, inputs)
    return work(order, job.method).with_names(real)


@pytest.mark.parametrize("protocol", ["cv2", "last"])
def test_every_epoch_predicts_and_the_unit_does_not_notice(toy_unit, protocol):
    alone = answer_of(toy_unit, watch=False, protocol=protocol, name="alone")
    watched = answer_of(toy_unit, watch=True, protocol=protocol, name="watched")
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
    long = answer_of(toy_unit, watch=True, protocol="last", name="long")
    short = answer_of(toy_unit, watch=False, protocol="last", name="short", epochs=3)
    assert np.array_equal(long.epochs.test[2], short.test.probabilities)


def test_early_stopping_ends_what_is_seen(toy_unit):
    answer = answer_of(toy_unit, watch=True, epochs=40, patience=2)
    assert len(answer.epochs) == answer.facts["train"]["epochs"] < 40


def test_an_answer_with_epochs_goes_through_its_files(toy_unit, tmp_path):
    for watch in (True, False):
        answer = answer_of(toy_unit, watch=watch, name=f"work{watch}")
        answer.save(tmp_path / "answer")
        again = UnitAnswer.load(tmp_path / "answer")
        if watch:
            assert again.epochs.stage == "train"
            assert np.array_equal(again.epochs.test, answer.epochs.test)
            assert np.array_equal(again.epochs.val, answer.epochs.val)
        else:
            assert again.epochs is None


def test_an_interrupted_unit_keeps_the_epochs_it_has_seen(toy_unit, monkeypatch):
    monkeypatch.setenv("BENCH_CHECKPOINT_SECONDS", "0")
    whole = answer_of(toy_unit, watch=True, name="whole")
    job, inputs, _ = toy_unit(name="broken")
    job = replace(job, watch=True)
    order, real = make_order(job, inputs)
    calls = []

    class Stopping(job.method):
        def predict(self, bags, run):
            calls.append(bags)
            if len(calls) == 6:
                raise InterruptedError("stands for the process being killed")
            return super().predict(bags, run)

    with pytest.raises(InterruptedError):
        work(order, Stopping)
    seen = sorted(path.name for path in (job.workdir / "watched").iterdir())
    assert seen == ["epoch-00000.npz", "epoch-00001.npz"]
    again = work(order, job.method).with_names(real)
    assert np.array_equal(again.epochs.test, whole.epochs.test)
    assert np.array_equal(again.epochs.val, whole.epochs.val)


class Deaf(MILMethod):
    """Does not predict with the weights as they stand: it has its mind made up."""

    def predict(self, bags, run):
        answer = super().predict(bags, run)
        return Prediction(answer.slides, np.full(answer.probabilities.shape, 0.5)) if run.curve else answer


def test_a_method_whose_predictions_do_not_follow_its_training_is_told_so(toy_unit):
    tiny = toy_unit()[0].method

    def made(name: str, base: type = MILMethod, **members: object) -> type:
        return type(name, (base,), {"card": tiny.card, "Params": tiny.Params, "aggregator": tiny.aggregator, **members})

    cases = {
        "cannot predict while it is trained": made("Silent", watched=""),
        "no stage named 'later'": made("Later", watched="later"),
        "predicts otherwise than after epoch": made("Hearing", Deaf),
    }
    for words, method in cases.items():
        with pytest.raises(MethodError, match=words):
            answer_of(toy_unit, watch=True, method=method, name=method.__name__)
