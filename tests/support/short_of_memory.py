"""Trainings that find too little memory until a fallback is in use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.training.memory import fallback
from harness.training.memory.fallback import Fallback
from harness.training.memory.state import Memory
from harness.training.memory.watch import MemoryWatch, OverLimitError
from harness.training.run import Run

PLENTY = 10**15
"""A limit in bytes that nothing exceeds: steps are measured, and fit."""


def short_of_memory(
    monkeypatch: pytest.MonkeyPatch, run: Run, enough: Fallback | None, *, encoder: bool = True
) -> list[Fallback]:
    """Let steps exceed the limit until ``enough`` is reached (None: always).

    Args:
        monkeypatch: of the test.
        run: whose steps.
        enough: the first fallback with which they fit.
        encoder: whether it is those steps alone that send tiles through an encoder.

    Returns:
        The fallbacks in the order in which they are tried; it grows while ``run`` trains.
    """
    tried: list[Fallback] = []

    def check(watch: MemoryWatch) -> None:
        now = run.memory.fallback
        if now not in tried:
            tried.append(now)
        reached = run.memory.use.tiles > 0 or not encoder  # tiles are known once a step has come to its encoder
        if reached and (enough is None or now.position < enough.position):
            raise OverLimitError("test")

    monkeypatch.setattr(MemoryWatch, "check", check)
    return tried


def check_that_fallbacks_are_exact(
    monkeypatch: pytest.MonkeyPatch,
    make_run: Callable[[str], Run],
    trained: Callable[[Run], NDArray[np.floating]],
) -> None:
    """Smaller chunks and recomputing are tried in this order, are in the record, and leave predictions as they are.

    Args:
        monkeypatch: of the test.
        make_run: makes a run in a folder of this name.
        trained: fits a method whose encoder draws nothing at random, and gives the probabilities that it predicts.
    """
    order = [Fallback(), Fallback("chunks", 4), Fallback("recompute", 4)]
    monkeypatch.setattr(fallback, "CHUNKS", (4,))
    predicted: list[NDArray[np.floating]] = []
    for count, enough in enumerate(order, 1):
        run = make_run(enough.kind)
        run.memory = Memory(limit=PLENTY)
        with monkeypatch.context() as patch:
            tried = short_of_memory(patch, run, enough)
            predicted.append(trained(run))
        assert tried == order[:count]
        account: Mapping[str, Any] = run.memory.account()
        assert (account["fallback"], account["changes"]) == (enough.kind, "")
        np.testing.assert_allclose(predicted[-1], predicted[0], atol=1e-4)
    assert np.ptp(predicted[0][:, 1]) > 1e-3, "the predictions do not differ, so that equality means nothing"
