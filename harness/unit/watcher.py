"""Keeps what the weights of every epoch predict, in the process that trains. It knows no label of a test slide."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.arrays import read_npz
from harness.core.atomic import replacing
from harness.core.errors import MethodError
from harness.unit.epochs import EpochPredictions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.api.method import Method
    from harness.api.prediction import Prediction
    from harness.bags.source import BagSource
    from harness.training.run import Run

FOLDER = "watched"
CLOSE = 1e-3
"""Two predictions by the same weights differ by less than this, in any precision."""


class Watcher:
    """Is called at the end of every epoch (``run.watch``), and predicts if the epoch is one of the method's last stage.

    A file per epoch in the scratch space, so that a run that is continued has those before.

    Args:
        method: the method that is trained.
        val, test: bags to predict; ``val`` None where there are none.
        run: its run.
        predict: predicts bags and checks the answer.

    Raises:
        MethodError: the method cannot be watched.
    """

    def __init__(
        self,
        method: Method,
        val: BagSource | None,
        test: BagSource | None,
        run: Run,
        *,
        predict: Callable[[Method, BagSource, Run], Prediction],
    ) -> None:
        if not method.watched:
            raise cannot_be_watched(method.card.name)
        self._method = method
        self._parts = {name: bags for name, bags in (("val", val), ("test", test)) if bags is not None}
        self._run = run
        self._predict = predict

    def __call__(self, stage: str, epoch: int) -> None:
        """Predict with the weights as they stand."""
        if stage != self._method.watched:
            return
        with self._run.meter.stage("watch"):
            found: dict[str, Any] = {
                name: self._predict(self._method, bags, self._run).probabilities for name, bags in self._parts.items()
            }
            if self._run.ranks.first:
                with replacing(self._path(epoch)) as path:
                    np.savez(path, **found)

    def collected(self, val: Prediction | None, test: Prediction | None) -> EpochPredictions:
        """The predictions of all epochs.

        Args:
            val, test: what the trained method predicts: the same as at the end of the epoch that was kept.

        Raises:
            MethodError: they are not: ``predict`` did not follow the training.
        """
        stage = self._method.watched
        facts = self._run.facts.get(stage, {})
        count, kept = int(facts.get("epochs") or 0), int(facts.get("best_epoch") or 0)
        files = [self._read(epoch) for epoch in range(count)]
        if not files:
            raise self._astray(f"it has trained no stage named {stage!r}")
        stacked = {name: np.stack([file[name] for file in files]) for name in self._parts}
        for name, prediction in (("val", val), ("test", test)):
            if prediction is not None and not np.allclose(stacked[name][kept], prediction.probabilities, atol=CLOSE):
                raise self._astray(f"after the training it predicts otherwise than after epoch {kept}, which was kept")
        return EpochPredictions(stage, stacked["test"], stacked.get("val"))

    def _path(self, epoch: int) -> Path:
        return self._run.workdir / FOLDER / f"epoch-{epoch:05d}.npz"

    def _read(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        try:
            stored = read_npz(self._path(epoch), self._parts)
            return {name: np.asarray(stored[name], np.float64) for name in self._parts}
        except (OSError, ValueError, KeyError) as error:
            raise MethodError(
                f"the predictions of epoch {epoch} cannot be read: {error}",
                place=str(self._path(epoch)),
                fix="remove this unit's folder and run it again",
            ) from error

    def _astray(self, why: str) -> MethodError:
        return MethodError(
            f"the predictions of method {self._method.card.name} do not follow its training: {why}",
            place=f"{type(self._method).__name__}.watched = {self._method.watched!r}",
            fix="name the last stage, and let predict() answer with its module; or leave watched empty",
        )


def cannot_be_watched(method: str) -> MethodError:
    """The error for a method of which single epochs cannot be looked at."""
    return MethodError(
        f"method {method} cannot predict while it is trained, so its epochs cannot be compared",
        place=f"method {method}",
        fix="choose a method of one stage (bench methods list), or a protocol that does not choose the epoch on test",
    )
