"""A unit tells its run which slides are whose, so that the leak audit works in every stage."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from support.units import run_unit

from harness import LeakError, MILMethod, Prediction


class Keeper(MILMethod):
    """Keeps the run that it is given."""

    runs: ClassVar[list[object]] = []

    def fit(self, train, val, run):
        type(self).runs.append(run)

    def aggregator(self, dim):
        raise NotImplementedError

    def predict(self, bags, run):
        return Prediction(bags.ids, np.full((len(bags), 2), 0.5))


@pytest.mark.parametrize("protocol", ["cv2", "last"])
def test_only_what_is_trained_on_may_have_shaped_a_stage(toy_unit, tiny_plugin, protocol):
    from support.plugins import load_plugin

    (tiny,) = load_plugin(str(tiny_plugin))
    keeper = type("Kept", (Keeper,), {"card": tiny.card, "Params": tiny.Params, "runs": []})
    unit, inputs, scorer = toy_unit(protocol=protocol, method=keeper)
    run_unit(unit, inputs, scorer)
    run, fold = keeper.runs[0], unit.fold
    run.audit(fold.train, stage="the embedder")
    forbidden = [fold.test] if protocol == "last" else [fold.val, fold.test]
    for slides in forbidden:
        with pytest.raises(LeakError, match="the embedder was trained on"):
            run.audit(slides, stage="the embedder")
    if protocol == "last":
        run.audit(fold.val, stage="the embedder")
