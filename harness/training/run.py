"""The run: what a method is given to train and predict with."""

from __future__ import annotations

from harness.api.stage import Stage
from harness.training.context import Context, Precision
from harness.training.loop import train_stage

__all__ = ["Precision", "Run"]


class Run(Context):
    """The context of a unit, and the training loop."""

    def train(self, stage: Stage) -> None:
        """Train one stage, from its last checkpoint if there is one; its module ends with the chosen weights."""
        train_stage(stage, self)
