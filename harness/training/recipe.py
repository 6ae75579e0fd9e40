"""What the shared hyper-parameters say about optimisers, schedule and the choice of the epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from harness.tasks.registry import lower_is_better
from harness.training.mil_params import MILParams
from harness.training.optim import build_optimizer, build_schedule
from harness.training.run import Run


def optimizers_of(params: MILParams, groups: Iterable[Sequence[nn.Parameter]]) -> list[Optimizer]:
    """One optimiser per group of parameters, all with the same settings."""
    return [
        build_optimizer(
            params.optimizer,
            group,
            lr=params.lr,
            weight_decay=params.weight_decay,
            weights_only=params.l2_on == "weights",
            betas=params.betas,
        )
        for group in groups
    ]


def schedule_of(params: MILParams, steps_per_epoch: int) -> Callable[[float], float]:
    """The factor on every learning rate as a function of progress in epochs."""
    return build_schedule(
        params.schedule,
        lr=params.lr,
        epochs=params.epochs,
        steps_per_epoch=steps_per_epoch,
        warmup_epochs=params.warmup_epochs,
        min_lr=params.min_lr,
        drop_epochs=params.lr_drop_epochs,
        drop_factor=params.lr_drop_factor,
    )


def selection_of(params: MILParams, run: Run, *, validated: bool) -> dict[str, Any]:
    """The fields of a stage that say which epoch is kept and when to stop.

    A protocol that keeps the last epoch, or a fold without validation slides, leaves nothing to choose.
    """
    if run.select != "best" or not validated:
        return {"select_by": "last", "patience": None}
    metric = run.metric if params.select_metric == "protocol" else params.select_metric
    return {
        "select_by": metric,
        "maximise": metric not in {"loss", *run.lower_is_better} and not lower_is_better(metric),
        "select_from": params.select_from,
        "patience": params.patience,
        "min_epochs": params.min_epochs,
    }
