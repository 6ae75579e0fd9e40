"""A stage: what the one training loop needs to know to train one module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from harness.core.errors import MethodError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

Weights = Literal["raw", "ema"]


class ExtraState(Protocol):
    """State beside the module that a continued stage needs too, and that is too large for every checkpoint.

    A checkpoint holds what ``state_dict`` returns: numbers that tell where the extra state stood. ``load_state_dict``
    brings it back there, whatever was done to it since.
    """

    def state_dict(self) -> dict[str, Any]:
        """Numbers, text, tensors, and lists and dictionaries of them."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Return to the state that these stand for."""


def constant(progress: float) -> float:
    """The schedule that leaves the learning rate alone."""
    return 1.0


@dataclass(kw_only=True)
class Stage:
    """One module, its batches, its loss and how the best weights are chosen.

    Everything random in a stage must be a function of the epoch and step that it is given (see
    :class:`harness.core.seeds.Seeds`); then a stage that is interrupted anywhere continues bit for bit.

    Attributes:
        name: unique within the method; names checkpoints, curves and times.
        module: the module to train, already on the run's device.
        batches: ``batches(epoch, start)`` gives the batches of an epoch from step ``start`` on.
        steps_per_epoch: how many batches an epoch has.
        loss: ``loss(batch)`` gives a scalar (mean over the batch's bags), or a mapping with the key ``loss`` and
            further scalars to log: the curve has their mean over the epoch's steps. They are read after the backward
            pass.
        optimizers: one or more; all step together. Each parameter belongs to one.
        epochs: how many to train at most.
        schedule: factor on every learning rate as a function of progress in epochs (a float).
        validate: ``validate()`` gives metrics of the module in evaluation mode; None without validation data.
        select_by: metric of ``validate`` whose best epoch is kept; ``"last"`` keeps the final weights.
        select_from: the first epoch (counted from 0) that may be kept; at most the last one.
        maximise: whether a larger metric is better.
        patience: stop after this many epochs without a better metric; None never stops.
        min_epochs: never stop before this many.
        clip_grad_norm: largest gradient norm of each optimiser's parameters, or a sequence with one value per
            optimiser; None leaves gradients alone.
        accumulate: batches per optimiser step. Its gradient is that of the mean loss over all bags of these batches.
        bags_in: ``bags_in(step)`` gives the number of bags in a batch of the epoch; None where all have the same.
        ema_decay: decay of an exponential moving average of the weights and buffers; None keeps none.
        weights: which weights are kept when there is an average: ``raw`` or ``ema``. Both are evaluated.
        extra_state: large state beside the module (a memory bank); see :class:`ExtraState`.
        loss_weight: on several devices, the weight of this device's part of a batch in the mean loss over the whole
            of it, ``loss_weight(batch)``; weights add up to one, and ``batches`` gives each device its own part.
            None for a stage that cannot be sharded, which several devices refuse.
    """

    name: str
    module: nn.Module
    batches: Callable[[int, int], Iterable[Any]]
    steps_per_epoch: int
    loss: Callable[[Any], Tensor | Mapping[str, Tensor]]
    optimizers: Sequence[Optimizer]
    epochs: int
    schedule: Callable[[float], float] = constant
    validate: Callable[[], Mapping[str, float]] | None = None
    select_by: str = "last"
    select_from: int = 0
    maximise: bool = True
    patience: int | None = None
    min_epochs: int = 0
    clip_grad_norm: float | Sequence[float | None] | None = None
    accumulate: int = 1
    bags_in: Callable[[int], int] | None = None
    ema_decay: float | None = None
    weights: Weights = "raw"
    extra_state: ExtraState | None = None
    loss_weight: Callable[[Any], float] | None = None

    def divisor(self, step: int) -> float:
        """What the loss of a batch is divided by, so that each bag of an optimiser step counts the same.

        It is ``accumulate`` where all batches are equally large. The last step of an epoch may have fewer batches, and
        its last batch fewer bags.
        """
        first = step - step % self.accumulate
        steps = range(first, min(first + self.accumulate, self.steps_per_epoch))
        if self.bags_in is None:
            return len(steps)
        return sum(map(self.bags_in, steps)) / self.bags_in(step)

    def check_devices(self, devices: int) -> None:
        """Refuse to have every device train on the same whole batches.

        Raises:
            MethodError: there are several, and the stage does not say how its batches are sharded.
        """
        if devices > 1 and self.loss_weight is None:
            raise MethodError(
                f"stage {self.name} cannot be sharded between devices",
                place=f"--devices {devices}",
                fix="run it on one device (--devices 1)",
            )


def scalar(loss: Tensor | Mapping[str, Tensor]) -> Tensor:
    """What ``Stage.loss`` gives to be minimised."""
    return loss["loss"] if isinstance(loss, Mapping) else loss


def further(loss: Tensor | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The scalars that are logged beside the loss."""
    return {name: value for name, value in loss.items() if name != "loss"} if isinstance(loss, Mapping) else {}
