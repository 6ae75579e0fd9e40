"""ICMIL where the first step of a distillation does not fit into memory."""

from __future__ import annotations

import pytest
from support.coupled import TASK, make_run, params, tile_bags
from support.short_of_memory import check_that_fallbacks_are_exact

from harness.encoders.conv27 import Conv27
from methods.icmil import ICMIL


@pytest.mark.slow
def test_fallbacks_of_distillation_are_recorded_and_exact(tmp_path, monkeypatch):
    monkeypatch.setattr(Conv27.__init__, "__defaults__", (0.0,))  # dropout, which is drawn chunk by chunk
    train, val = tile_bags(8, 0), tile_bags(6, 1)

    def trained(run):
        method = ICMIL(params(epochs=1, distil_steps=2), TASK)
        method.fit(train, val, run)
        return method.predict(val, run).probabilities

    check_that_fallbacks_are_exact(monkeypatch, lambda name: make_run(tmp_path / name, train, val), trained)
