"""The shared method for bags: an aggregator on frozen features, or with its tile encoder end to end.

This module does not import torch, so that listing methods stays fast; the training code is in
:mod:`harness.training.mil_fit`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from harness.api.method import Method
from harness.api.params import Params
from harness.api.trained_model import TrainedModel
from harness.training.mil_params import MILParams

if TYPE_CHECKING:
    from torch import nn

    from harness.api.aggregator import Aggregator
    from harness.api.prediction import Prediction
    from harness.api.stage import Stage
    from harness.bags.source import BagSource
    from harness.training.mil_fit import BagNetwork
    from harness.training.run import Run


class MILMethod(Method):
    """Base of methods that are an aggregator: :meth:`aggregator` is all that a subclass has to write.

    On feature bags the aggregator is trained alone; on tile bags it is trained together with the tile encoder
    that the input settings name.
    """

    Params: ClassVar[type[Params]] = MILParams
    final_stage: ClassVar[str] = "train"
    shardable: ClassVar[bool] = True
    params: MILParams
    network: BagNetwork

    @classmethod
    def scales_read(cls, params: MILParams) -> int:
        """Two where a share of the tiles is drawn from the coarse one, else one."""
        return 2 if params.low_ratio and params.tiles_per_bag else 1

    @abstractmethod
    def aggregator(self, dim: int) -> Aggregator:
        """The module for features of width ``dim`` and ``self.task.n_classes`` classes."""

    def optimizer_groups(self, network: nn.Module) -> list[list[nn.Parameter]]:
        """Parameters by optimiser; a method with several optimisers (two tiers) returns several lists."""
        return [list(network.parameters())]

    def stages(self, train: BagSource, val: BagSource | None, run: Run) -> Iterator[Stage]:
        """One stage: the whole network."""
        from harness.training import mil_fit

        self.network = mil_fit.build_network(self, train, run)
        yield mil_fit.stage(self, train, val, run)

    def predict(self, bags: BagSource, run: Run) -> Prediction:
        """Probabilities and attention from all tiles of the finest scale, without sampling or augmentation."""
        from harness.training import mil_fit

        return mil_fit.predict(self.network, bags, run)

    def trained_model(self) -> TrainedModel | None:
        """The network."""
        network = getattr(self, "network", None)
        return None if network is None else TrainedModel({"network": network})

    def rebuild(self, bags: BagSource, run: Run, facts: Mapping[str, Any]) -> None:
        """The network as before training."""
        from harness.training import mil_fit

        self.network = mil_fit.build_network(self, bags, run)
