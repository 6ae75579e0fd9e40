"""The peak memory of a training, estimated before it starts from the sizes of its bags.

Counted are weights, gradients, the optimiser's state and averages; the tiles or features of a step; the activations of
its forward and backward pass (see :mod:`harness.training.footprint`); and the prediction of the largest bag. Left out
is what no tensor holds: libraries and the CUDA context, workspaces inside kernels, what allocators waste, what slide
readers cache, memory-mapped files, and, on a GPU, the memory of the machine around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from harness.bags.augment import Augment
from harness.training.footprint import Alive, Footprint, state_bytes
from harness.training.memory import Rung
from harness.training.mil_fit import PREDICT_BLOCK

if TYPE_CHECKING:
    from harness.bags.source import BagSource
    from harness.training.mil_fit import BagNetwork
    from harness.training.mil_params import MILParams
    from harness.training.run import Run

_STATES = {"sgd": 1, "adam": 2, "adamw": 2, "radam": 2, "lookahead_radam": 3}
"""Numbers that an optimiser keeps per weight."""

_FLOAT = 4
_READ_AHEAD = 3
"""Steps whose tiles are in memory beside the present one: two read ahead, one being put together."""


@dataclass(frozen=True)
class Step:
    """The largest step of a training.

    Attributes:
        slide, tiles: the bag that has most tiles, and how many it has.
        sizes: tiles of its bags that go through the network.
        read: tiles that are read for it.
    """

    slide: str
    tiles: int
    sizes: tuple[int, ...]
    read: int

    @classmethod
    def of(cls, bags: BagSource, params: MILParams, devices: int = 1) -> Step:
        """The largest step that can be drawn from ``bags``; ``devices`` share it."""
        counts = sorted(((bags.count(bag), bags.ids[bag]) for bag in range(len(bags))), reverse=True)
        whole = [count for count, _ in counts]
        among = -(-params.batch_size // devices)
        largest = ([whole[0]] * among if params.balanced else whole)[:among]
        sizes = [params.tiles_per_bag or count for count in largest]
        return cls(counts[0][1], whole[0], tuple(sizes), sum(largest if params.tile_sampling == "attention" else sizes))


@dataclass(frozen=True)
class Estimate:
    """Bytes at the peak.

    Attributes:
        weights: weights, gradients, the optimiser's state, averages.
        data: tiles or features of a step.
        activations: of the passes through the network.
        prediction: all that is in memory while the largest bag is predicted.
    """

    weights: int
    data: int
    activations: int
    prediction: int

    @property
    def total(self) -> int:
        """The larger of training and prediction."""
        return max(self.weights + self.data + self.activations, self.prediction)


class Estimator:
    """Estimates the peak of one training, whichever way it is trained.

    Args:
        network: the network with its first weights; it is not changed.
        params: hyper-parameters.
        train: training bags.
        predicted: bags that are predicted, during the training or after it.
        run: its device and the ranks that share its steps.

    Attributes:
        step: the largest step.
        longest: tiles of the largest bag that is predicted.
    """

    def __init__(
        self, network: BagNetwork, params: MILParams, train: BagSource, predicted: Sequence[BagSource], run: Run
    ) -> None:
        self.network = network
        self.params = params
        self._device = run.device
        self._px = train.scales[0].tile_px if train.kind == "tiles" else 0
        self._dim = train.dim if network.encoder is None else network.encoder.dim
        self._footprint = Footprint(network, tile_px=self._px, dim=self._dim, device=run.device)
        self.step = Step.of(train, params, run.ranks.world)
        self.longest = max((bags.count(bag) for bags in predicted for bag in range(len(bags))), default=0)

    def __call__(self, rung: Rung) -> Estimate:
        """The peak if it is trained in this way."""
        return Estimate(self._weights + self._trainable, self._data, self._activations(rung), self._prediction(rung))

    @cached_property
    def held(self) -> int:
        """Bytes of the weights, which are in memory already."""
        return state_bytes(self.network.state_dict())

    @cached_property
    def _trainable(self) -> int:
        """Bytes of the gradients."""
        return sum(p.numel() * p.element_size() for p in self.network.parameters() if p.requires_grad)

    @cached_property
    def _weights(self) -> int:
        """All that there is one of per weight, but gradients."""
        kinds = 1 + (self.params.ema_decay is not None)
        # The weights of the best epoch are kept on the CPU.
        copies = kinds + (kinds if self._device.type == "cpu" else 0)
        return copies * self.held + _STATES.get(self.params.optimizer, 2) * self._trainable

    @cached_property
    def _data(self) -> int:
        """Tiles as they are read and as augmentation leaves them, or features."""
        count = sum(self.step.sizes)
        if not self._px:
            return 2 * count * self._dim * _FLOAT
        pixels = 3 * self._px * self._px
        ahead = _READ_AHEAD if self._device.type == "cpu" else 0
        return (1 + ahead) * self.step.read * pixels + max(count * pixels * _FLOAT, count * self._augmented)

    @cached_property
    def _augmented(self) -> int:
        """Bytes per tile at the peak of augmentation."""
        tiles = torch.zeros(2, 3, self._px, self._px, dtype=torch.uint8)
        augment = Augment(self.params.augment, self._px, self.params.crop_min)
        drawn = augment.draw(len(tiles), 0)
        with Alive([tiles]) as alive:
            augment.apply(tiles, drawn)
        per_tile: int = alive.peak // len(tiles)
        return per_tile

    def _activations(self, rung: Rung) -> int:
        head = self._footprint.aggregator(self.step.sizes, rung.precision, train=True)
        # Gradients are complete, and nothing else is left, when the optimiser makes its step.
        least = self._trainable if self._device.type == "cuda" else 0
        if self.network.encoder is None:
            return max(head.peak, least)
        count = sum(self.step.sizes)
        chunk = min(rung.chunk or count, count)
        tail = self._footprint.encoder(chunk, rung.precision, train=True)
        features = count * self._dim * _FLOAT
        joined = features if chunk < count else 0
        if rung.recompute:
            return features + joined + max(tail.peak + features, head.peak, least)
        waiting = round(tail.kept * count / chunk)
        return waiting + joined + max(tail.peak - tail.kept + features, head.peak, least)

    def _prediction(self, rung: Rung) -> int:
        count = self.longest
        if not count:
            return 0
        features = count * self._dim * _FLOAT
        head = self._footprint.aggregator((count,), rung.precision, train=False).peak
        # Raw weights are set aside while averaged ones are in their place.
        resting = self._weights + (self.held if self.params.ema_decay is not None else 0)
        if self.network.encoder is None:
            return resting + 2 * features + head
        block = min(PREDICT_BLOCK, count)
        chunk = min(rung.chunk or block, block)
        passing = self._footprint.encoder(chunk, rung.precision, train=False).peak + block * 3 * self._px * self._px
        return resting + features + max(passing, features + head)
