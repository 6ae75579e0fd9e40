"""NaN and infinity: refused where they enter, and told with stage and fix where they arise."""

from __future__ import annotations

import numpy as np
from support.faults import failures


def test_in_features_that_come_with_a_dataset(toy):
    study = toy("--set", "epochs=2")
    path = study.home / "toy" / "features.npz"
    with np.load(path) as file:
        arrays = dict(file)
    for value in (np.nan, np.inf):
        arrays["X"][7, 2] = value
        np.savez(path, **arrays)
        problem, place, _ = study.run().three_lines()
        assert "not finite" in problem
        assert "toy_" in problem
        assert place == str(path)
        assert not list(study.out.glob("units/*"))


def test_as_loss(toy):
    study = toy("--set", "epochs=4", "--set", "lr=1e30", "--set", "clip_grad_norm=none", "--fold", "0")
    assert "1 unit failed" in study.run().three_lines()[0]
    (reason,) = failures(study.out).values()
    assert "the loss is " in reason
    assert "stage train, epoch" in reason
    assert "fix: lower the learning rate" in reason
