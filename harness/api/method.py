"""The method contract: one small face for every method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from harness.api.card import MethodCard
from harness.api.params import Params
from harness.core.errors import MethodError
from harness.tasks.task import Task

if TYPE_CHECKING:
    from harness.api.prediction import Prediction
    from harness.api.stage import Stage
    from harness.api.trained_model import TrainedModel
    from harness.bags.source import BagSource
    from harness.training.run import Run


class Method(ABC):
    """A method under test. Most subclass :class:`harness.MILMethod` and only build a network.

    ``fit`` sees training and validation bags with labels; ``predict`` sees bags without labels.

    Attributes:
        card: what it is, and what it needs.
        Params: its hyper-parameters.
        final_stage: name of the last stage, if ``predict`` answers with that stage's weights as they stand while it is
            trained; empty where predictions can only be had after the training. Only then can the epochs of a training
            be looked at one by one (``bench selection-bias``, protocols that choose the epoch on the test slides).
        shardable: whether several devices can train one unit of it: all of its stages say how their batches are sharded
            (:attr:`harness.Stage.loss_weight`), and ``fit`` and ``predict`` do nothing that only one process may do.
    """

    card: ClassVar[MethodCard]
    Params: ClassVar[type[Params]]
    final_stage: ClassVar[str] = ""
    shardable: ClassVar[bool] = False

    def __init__(self, params: Any, task: Task) -> None:
        self.params = params
        self.task = task

    @classmethod
    def scales_read(cls, params: Any) -> int:
        """How many resolutions of tiles are read with these hyper-parameters: fewer are refused."""
        return cls.card.scales

    @abstractmethod
    def stages(self, train: BagSource, val: BagSource | None, run: Run) -> Iterator[Stage]:
        """The stages of training, in order. Each is trained before the next one is asked for."""

    def fit(self, train: BagSource, val: BagSource | None, run: Run) -> None:
        """Train. Methods that do not train by gradient override this."""
        for stage in self.stages(train, val, run):
            run.train(stage)

    @abstractmethod
    def predict(self, bags: BagSource, run: Run) -> Prediction:
        """Class probabilities and attention for every bag."""

    def trained_model(self) -> TrainedModel | None:
        """What :meth:`predict` answers with after :meth:`fit`; None for a method whose model cannot be kept."""
        return None

    def rebuild(self, bags: BagSource, run: Run, facts: Mapping[str, Any]) -> None:
        """Build the networks of :meth:`trained_model`, on the run's device. Their weights are loaded afterwards.

        Args:
            bags: none, but of the kind, width and tile size of those that :meth:`fit` was given.
            run: gives seeds and device.
            facts: those of :meth:`trained_model`.
        """
        raise MethodError(
            f"method {self.card.name} does not say how its model is built again",
            place=f"{type(self).__name__}.rebuild",
            fix="define rebuild() beside trained_model()",
        )
