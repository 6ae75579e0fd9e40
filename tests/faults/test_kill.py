"""Kill -9 at any moment, twelve times in all: the study ends with the same trials and predictions."""

from __future__ import annotations

import random
import shutil

import pytest
from support.faults import Toy, check_equal, trials

TUNED = ("--trials", "3", "--tune-batch", "3", "--set", "epochs=4", "--tune-folds", "2", "--prune", "halving")


def done(study: Toy) -> tuple[int, int, bool]:
    """How far a study is: trials, units, and whether the second of them is being scored and shown."""
    units = len(list(study.out.glob("units/*/record.json")))
    return len(list(study.out.glob("trials/*.json"))), units, any(study.out.glob("studies/*/*.png"))


@pytest.mark.parametrize(
    ("sampler", "kills"),
    [("tpe", 3), pytest.param("tpe", 9, marks=pytest.mark.slow), pytest.param("random", 9, marks=pytest.mark.slow)],
)
def test_a_tuned_study_that_is_killed_at_random_moments(toy, undisturbed, sampler, kills):
    """The whole process group at once, as a machine that loses power does; then the same command.

    A kill comes when up to three more trials or units are done, and up to 0.4 seconds later. A study that ends before
    it has met all of its kills is compared and begun again.
    """
    words = (*TUNED, "--tune-sampler", sampler)
    study, moments = toy(*words), random.Random(sampler)
    reached = []
    while len(reached) < kills:
        pid = study.start()
        aim = sum(done(study)[:2]) + moments.randint(0, 3)
        while (ended := study.attempts.wait(pid, 0.02)) is None and sum(done(study)[:2]) < aim:
            pass
        if ended is None and (ended := study.attempts.wait(pid, moments.uniform(0, 0.4))) is None:
            study.attempts.kill(pid)
            reached.append(done(study))
            continue
        assert ended.code == 0, ended.text
        check_equal(study.out, undisturbed(*words))
        shutil.rmtree(study.out)
        study.out.mkdir()
    study.finish()
    assert len(set(reached)) > 2, f"the kills fell too close together: {reached}"
    assert trials(study.out) == trials(undisturbed(*words))
    check_equal(study.out, undisturbed(*words))
