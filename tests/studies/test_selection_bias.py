"""The judged case: nothing can be learnt, tuning on the test slides pretends it can, the clean protocol does not."""

from __future__ import annotations

import gc
from concurrent.futures import Future
from pathlib import Path

import pytest
from support.noise import LUCK, write_noise_dataset

from harness.api import registry
from harness.api.registry import find_method, use_plugin
from harness.jobs.executors.executor import Executor, Resources
from harness.jobs.train import train_and_predict
from harness.studies import resolve as resolving
from harness.studies import selection_bias
from harness.studies.config import StudyConfig
from harness.studies.resolve import resolve
from harness.studies.selection_bias_result import SelectionBias
from harness.studies.tuning.settings import TuneSettings

FIVE_POINTS = 0.05


class Here(Executor):
    """Runs jobs in this process: a hundred processes would take a minute."""

    name = "here"

    def submit(self, job):
        future = Future()
        future.set_result(train_and_predict(job, find_method(job.method)))
        return future


@pytest.fixture
def bias(tmp_path: Path, monkeypatch):
    """A function that runs ``bench selection-bias`` on noise that a seed draws."""
    monkeypatch.setattr(selection_bias, "make_executor", lambda *_, **__: Here(Resources(), None))
    # What is tried depends on the code's version: without this, every change of the code would draw lots again.
    monkeypatch.setattr(resolving, "method_version", lambda method: "0")
    registry.registry.cache_clear()
    gc.freeze()  # each of hundreds of trainings collects garbage, and would look at what earlier tests have left
    plugin = tmp_path / "luck_plugin.py"
    plugin.write_text(LUCK)
    use_plugin(str(plugin))

    def run(seed: int, *, trials: int = 20) -> SelectionBias:
        config = StudyConfig(
            method="luck",
            dataset=str(write_noise_dataset(tmp_path / f"noise{seed}", seed=seed)),
            set={"weight_decay": 0.0},
            device="cpu",
            out=tmp_path / f"runs{seed}",
            cache=tmp_path / "cache",
            tune=TuneSettings(trials=trials, sampler="random"),
        )
        return selection_bias.selection_bias(resolve(config), config)[0]

    yield run
    registry.registry.cache_clear()


def contains(number, value: float, *, wider: float = 1.0) -> bool:
    return (number.low - number.value) * wider <= value - number.value <= (number.high - number.value) * wider


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_tuning_on_the_test_slides_gains_and_the_clean_protocol_does_not(bias, seed):
    found = {one.name: one for one in bias(seed).selections}
    names = ["untuned", "clean", "threshold-on-test", "epoch-on-test", "tuned-on-test", "all-on-test"]
    assert list(found) == names
    # Our protocol: tuning gains nothing over the method as it comes, and chance stays chance. On pure noise a 95 %
    # interval misses the truth one time in twenty; one and a half times as wide, one time in three hundred.
    assert contains(found["untuned"].gains["auc"], 0, wider=1.5)
    assert contains(found["clean"].scores["auc"], 0.5, wider=1.5)
    # The leak: at least five points that are not there, and an interval that says they are.
    for name in ("tuned-on-test", "all-on-test"):
        assert found[name].gains["auc"].value >= FIVE_POINTS
        assert found[name].gains["auc"].low > 0
        assert not contains(found[name].scores["auc"], 0.5)
    # A threshold moves no AUC, and the accuracy all the same.
    assert found["threshold-on-test"].gains["auc"].value == 0
    assert found["threshold-on-test"].gains["accuracy"].value >= FIVE_POINTS
