"""Per-epoch predictions: what the weights of every epoch predict, recorded in the process that trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.arrays import read_npz
from harness.core.atomic import replacing
from harness.core.errors import MethodError
from harness.jobs.result import EpochPredictions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.api.method import Method
    from harness.api.prediction import Prediction
    from harness.bags.source import BagSource
    from harness.training.run import Run

FOLDER = "epochs"
"""In the scratch space; jobs that were interrupted have it."""
CLOSE = 1e-3
"""Two predictions by the same weights differ by less than this, in any precision."""


class EpochRecorder:
    """Is called at the end of every epoch (``run.watch``), and predicts if it is one of the method's last stage.

    It writes a file per epoch into the scratch space, so that a run that is continued has those before.

    Args:
        method: the method that is trained.
        val, test: bags to predict; ``val`` None where there are none.
        run: its run.
        predict: predicts bags and checks the prediction.

    Raises:
        MethodError: the method cannot predict while it is trained.
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
        if not method.final_stage:
            raise MethodError(
                f"method {method.card.name} cannot predict while it is trained, so its epochs cannot be compared",
                place=f"method {method.card.name}",
                fix="choose a method of one stage (bench methods list), or a protocol that chooses no epoch on test",
            )
        self._method = method
        self._parts = {name: bags for name, bags in (("val", val), ("test", test)) if bags is not None}
        self._run = run
        self._predict = predict

    def __call__(self, stage: str, epoch: int) -> None:
        """Predict with the weights as they stand."""
        if stage != self._method.final_stage:
            return
        with self._run.meter.stage("watch"):
            found: dict[str, Any] = {
                name: self._predict(self._method, bags, self._run).probabilities for name, bags in self._parts.items()
            }
            if self._run.ranks.first:
                with replacing(self._path(epoch)) as path:
                    np.savez(path, **found)

    def predictions(self, val: Prediction | None, test: Prediction | None) -> EpochPredictions:
        """The predictions of all epochs.

        Args:
            val, test: what the trained method predicts: the same as at the end of the epoch whose weights it has.

        Raises:
            MethodError: they differ: ``predict`` did not follow the training.
        """
        stage = self._method.final_stage
        facts = self._run.facts.get(stage, {})
        count, best = int(facts.get("epochs") or 0), int(facts.get("best_epoch") or 0)
        files = [self._read(epoch) for epoch in range(count)]
        if not files:
            raise self._differs(f"it has trained no stage named {stage!r}")
        stacked = {name: np.stack([file[name] for file in files]) for name in self._parts}
        for name, prediction in (("val", val), ("test", test)):
            if prediction is not None and not np.allclose(stacked[name][best], prediction.probabilities, atol=CLOSE):
                raise self._differs(f"it predicts otherwise after the training than after epoch {best}, its best")
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

    def _differs(self, why: str) -> MethodError:
        return MethodError(
            f"the predictions of method {self._method.card.name} do not follow its training: {why}",
            place=f"{type(self._method).__name__}.final_stage = {self._method.final_stage!r}",
            fix="name the last stage, and let predict() answer with its module; or leave final_stage empty",
        )
