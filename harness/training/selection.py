"""Which epoch's weights are kept, and when to stop: decided on validation alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from harness.api.stage import Stage
from harness.core.errors import MethodError


def copy_of(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dictionary on the CPU that later training does not change."""
    return {name: value.detach().to("cpu", copy=True) for name, value in state.items()}


@dataclass
class Selection:
    """The best weights so far, for one kind of weights (raw or averaged).

    Attributes:
        metric: name of the metric, or ``last``.
        maximise: whether a larger one is better.
        best: its best value; None before the first.
        loss: validation loss of that epoch; of equally good epochs the one with the smallest loss is kept. Small
            validation sets tie often: an AUC of 1 on a dozen slides is soon reached and says little.
        epoch: the epoch of the best value; -1 before there is one.
        first: the first epoch that may be kept.
        weights: those weights, on the CPU.
    """

    metric: str
    maximise: bool
    best: float | None = None
    loss: float = math.inf
    epoch: int = -1
    first: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def criterion(self) -> str:
        """What the kept epoch was chosen by: the metric, or the loss where the metric was never defined."""
        return "loss" if self.best is not None and math.isnan(self.best) else self.metric

    @classmethod
    def of(cls, stage: Stage) -> Selection:
        """The selection that ``stage`` asks for."""
        metric = stage.select_by if stage.validate is not None else "last"
        return cls(metric, stage.maximise, first=min(stage.select_from, stage.epochs - 1))

    def see(self, epoch: int, metrics: Mapping[str, float], module: nn.Module, *, last: bool) -> None:
        """Take in the metrics of an epoch and keep the weights if they are the best so far.

        A metric that is not a number (one-class validation data) never wins over one that is.
        """
        if self.metric == "last":
            if last:
                self.epoch, self.weights = epoch, copy_of(module.state_dict())
            return
        if self.metric not in metrics:
            raise MethodError(
                f"validation gives no metric {self.metric!r}",
                place=f"stage selected by {self.metric}",
                fix=f"select by one of: {', '.join(metrics)}",
            )
        if epoch < self.first:
            return
        value, loss = metrics[self.metric], metrics.get("loss", math.inf)
        if self._is_better(value, loss):
            self.best, self.loss, self.epoch, self.weights = value, loss, epoch, copy_of(module.state_dict())

    def _is_better(self, value: float, loss: float) -> bool:
        if self.best is None or math.isnan(self.best):
            return self.best is None or not math.isnan(value) or loss < self.loss
        sign = 1.0 if self.maximise else -1.0
        return sign * value > sign * self.best or (value == self.best and loss < self.loss)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"best": self.best, "loss": self.loss, "epoch": self.epoch, "weights": self.weights}

    def load(self, state: Mapping[str, Any]) -> None:
        """From a checkpoint."""
        self.best, self.loss, self.epoch = state["best"], state["loss"], state["epoch"]
        self.weights = dict(state["weights"])
