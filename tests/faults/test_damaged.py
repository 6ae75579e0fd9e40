"""Files that were cut short, hold garbage, or hold code: made again or refused by name, and executed never."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from support.faults import Toy, check_equal, evidence, failures, trials
from support.toy import PLUGIN

from harness import MethodError, Prediction
from harness.jobs.result import JobResult

WORDS = ("--set", "epochs=3")

HASTY = (
    PLUGIN
    + """
    def predict(self, bags, run):
        import os
        if "HASTY" in os.environ:
            os._exit(9)
        return super().predict(bags, run)
"""
)
"""The same method; where asked to it dies between training and predicting, as a machine might."""


def cut(path: Path) -> None:
    """Leave the first half."""
    os.truncate(path, path.stat().st_size // 2)


def garble(path: Path) -> None:
    path.write_bytes(b"\x80\x04garbage" * 50)


class Payload:
    """What runs a command when it is unpickled."""

    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self):
        return os.system, (f"touch {self.sign}",)


@pytest.fixture
def trained(toy):
    """A function that gives a study whose units were trained and did not get any further."""

    def make(*words: str) -> Toy:
        study = toy(*words, source=HASTY)
        ended = study.run(HASTY="1")
        assert ended.code == 1, ended.text
        assert "exit code 9" in ended.text
        return study

    return make


@pytest.fixture(scope="module")
def whole(attempts, undisturbed):
    return undisturbed(*WORDS)


@pytest.mark.parametrize("harm", [cut, garble], ids=["cut short", "garbage"])
def test_checkpoints_and_what_was_used_so_far(trained, tmp_path, harm):
    """All of them at once: each unit starts again."""
    study = trained(*WORDS)
    kept = tmp_path / "kept"
    shutil.copytree(study.home, kept)
    for path in study.out.glob("units/*/work/*"):
        if path.is_file() and path.stat().st_size:
            harm(path)
    text = study.finish()
    assert "damaged checkpoint" in text
    assert "meter.json is left aside" in text
    # The same study, its checkpoints whole.
    shutil.move(study.out, study.home / "harmed")
    shutil.copytree(kept / "runs", study.out)
    text = study.finish()
    check_equal(study.home / "harmed", study.out)


def test_a_checkpoint_of_something_else_is_refused_by_name(trained):
    study = trained(*WORDS, "--fold", "0")
    (final,) = study.out.glob("units/*/work/train.final.pt")
    state = torch.load(final, weights_only=True)
    final.unlink()
    torch.save({"trained_on": state["trained_on"], "epoch": 1}, final.with_name("train.pt"))
    ended = study.run()
    assert ended.code == 1
    (reason,) = failures(study.out).values()
    assert "not one of this training: KeyError: 'step'" in reason
    assert f"remove {final.parent}" in reason
    shutil.rmtree(final.parent)
    study.finish()


def test_a_pickle_in_place_of_a_checkpoint_is_refused_and_not_executed(trained, tmp_path):
    """Pickled by hand, and inside torch's own format; for every checkpoint, and for a result."""
    study = trained(*WORDS)
    sign = tmp_path / "executed"
    os.system(pickle.loads(pickle.dumps({"touch": f"touch {sign}"}))["touch"])
    sign.unlink()  # the payload would work
    first, second = sorted(study.out.glob("units/*/work/train.final.pt"))
    first.write_bytes(pickle.dumps(Payload(sign)))
    torch.save({"weights": Payload(sign)}, second)
    for path in (first, second):
        shutil.copyfile(path, path.with_name("train.pt"))
    text = study.finish()
    assert text.count("train.final.pt is left aside (UnpicklingError)") == 2
    assert not sign.exists()
    assert len(evidence(study.out)) == 2


def test_pickles_in_place_of_features_and_encoders(toy, tmp_path):
    from support.toy_slides import write_toy_slides

    study, sign = toy(*WORDS), tmp_path / "executed"
    np.savez(study.home / "toy" / "features.npz", X=np.array([Payload(sign)], object), bag=np.ones(1), y=np.ones(1))
    problem, place, _ = study.run().three_lines()
    assert problem.startswith("the features cannot be read")
    assert place.endswith("features.npz")
    weights = tmp_path / "weights.pt"
    torch.save({"weight": Payload(sign)}, weights)
    slides = write_toy_slides(tmp_path / "specimens")
    words = ["run", "--method", "mean_pool", "--dataset", str(slides), "--out", str(study.out), "--device", "cpu"]
    ended = study.attempts.run(
        [*words, "--encoder", f"file:conv64={weights}", "--workers", "1"], cwd=study.home, **study.environment
    )
    assert str(weights) in " ".join(ended.three_lines())
    assert not sign.exists()


@pytest.mark.parametrize("name", ["record.json", "predictions.parquet"])
def test_evidence(toy, undisturbed, name):
    """Of one unit: that one is run again."""
    study = toy(*WORDS)
    shutil.copytree(undisturbed(*WORDS), study.out, dirs_exist_ok=True)
    assert "2 units done, 2 of them from before" in study.run().text
    first, second = sorted(study.out.glob("units/*"))
    cut(first / name)
    untouched = (second / "record.json").stat().st_mtime_ns
    board = study.bench("leaderboard", "show")
    assert board.code == 0, board.text
    assert "Traceback" not in board.text
    text = study.finish()
    assert f"the evidence of unit {first.name} is damaged, so it is run again" in text
    assert "2 units done, 1 of them from before" in text
    assert (second / "record.json").stat().st_mtime_ns == untouched
    check_equal(study.out, undisturbed(*WORDS))
    # The second access to its test labels is not hidden.
    assert json.loads((first / "record.json").read_text())["extra"]["test_accesses"] == 2


def test_trials_and_the_plan_of_a_study(toy, undisturbed):
    words = ("--trials", "2", "--tune-batch", "2", "--set", "epochs=2", "--fold", "0")
    study = toy(*words)
    shutil.copytree(undisturbed(*words), study.out, dirs_exist_ok=True)
    shutil.rmtree(study.out / "units")
    first, second = sorted(study.out.glob("trials/*.json"))
    cut(first)
    garble(second)
    (plan,) = study.out.glob("studies/*/study.json")
    planned = json.loads(plan.read_text())["units"]
    cut(plan)
    garble(plan.with_name("trials.csv"))
    study.finish()
    assert trials(study.out) == trials(undisturbed(*words))
    assert json.loads(plan.read_text())["units"] == planned
    check_equal(study.out, undisturbed(*words))


@pytest.mark.parametrize("harm", [cut, garble, Path.unlink], ids=["cut short", "garbage", "missing"])
@pytest.mark.parametrize("name", ["result.npz", "result.json"])
def test_a_result_between_two_processes(tmp_path, name, harm):
    """It is read as soon as it is written, so this one is harmed by hand."""
    test = Prediction(("a", "b"), np.full((2, 2), 0.5), (np.ones(3, np.float32), np.ones(1, np.float32)))
    result = JobResult(test=test, val=None, curve=[], facts={}, accounting={}, root_seed=1)
    result.save(tmp_path)
    assert np.array_equal(JobResult.load(tmp_path).test.probabilities, test.probabilities)
    harm(tmp_path / name)
    with pytest.raises(MethodError, match=r"result .* cannot be read") as told:
        JobResult.load(tmp_path)
    assert told.value.place == str(tmp_path)


def test_features_that_come_with_a_dataset(toy):
    study = toy(*WORDS)
    whole = (study.home / "toy" / "features.npz").read_bytes()
    cut(study.home / "toy" / "features.npz")
    problem, place, _ = study.run().three_lines()
    assert problem.startswith("the features cannot be read")
    assert place == str(study.home / "toy" / "features.npz")
    assert not list(study.out.glob("units/*"))
    (study.home / "toy" / "features.npz").write_bytes(whole)
    study.finish()
