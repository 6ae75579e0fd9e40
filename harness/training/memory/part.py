"""The peak memory of one part of a training, estimated before it starts from the sizes of its bags.

Counted are weights, gradients, the optimiser's state and averages; the tiles or features of a step; the activations of
its forward and backward pass (see :mod:`harness.training.memory.footprint`); and the prediction of the largest bag.
Left out is what no tensor holds: libraries and the CUDA context, workspaces inside kernels, what allocators waste, what
slide readers cache, memory-mapped files, and, on a GPU, the memory of the machine around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from harness.bags.augment import Augment
from harness.training.memory.bag_passes import encoding
from harness.training.memory.footprint import FEW_ROWS, Alive, Cost, Footprint, Pass, Way, state_bytes
from harness.training.memory.ladder import Rung

FLOAT = 4
_NOTHING = Cost(0, 0)


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


@dataclass(frozen=True, kw_only=True, eq=False)
class MemoryPart:
    """One part of a training, as far as its memory goes: a stage with its predictions, or one of the two alone.

    Tiles go through ``encode``, in chunks in training and in blocks in prediction; features go through ``head``.
    Either may be missing.

    Attributes:
        name: what the part is called, as its stage.
        module: what is trained, or predicts; it is not changed.
        device: where it is.
        step: its largest step; ``step.sizes`` are what ``head`` sees.
        encode: (module, tiles (n, 3, px, px) with values 0..255) → features, or a loss.
        head: the rest of the way, to the loss in training.
        px: side of the tiles; 0 where features are read.
        dim: width of the features.
        tiles: that are encoded with gradient in a step.
        states: numbers that the optimiser keeps per weight; None where nothing is trained.
        kinds: sets of weights that are kept: 2 with averaged ones.
        beside: further modules in memory meanwhile.
        ahead: steps whose tiles are in the main memory beside the present one.
        augment: of the tiles.
        augments_chunks: tiles are augmented chunk by chunk, and not all at once.
        augments_predicted: those of prediction too, block by block.
        again: tiles of a step that are encoded once more, without gradient, before the way back.
        data: further bytes in memory in every step.
        longest: tiles of the largest bag that is predicted; 0 for none.
        block: tiles that are read and encoded at once in prediction.
        passes: tiles per pass in prediction, if not the chunk; 0 for a block.
        further: bytes in memory in prediction beside tiles and features.
        taken: how the part takes a rung: what it cannot change stays as it is.
        setting: hyper-parameter with the tiles per bag of a step; empty for none.
        tips: what else makes the part smaller.
    """

    name: str
    module: nn.Module
    device: torch.device
    step: Step
    encode: Callable[[Any, Tensor], Tensor] | None = None
    head: Way | None = None
    px: int = 0
    dim: int = 0
    tiles: int = 0
    states: int | None = 2
    kinds: int = 1
    beside: Sequence[nn.Module] = ()
    ahead: int = 3
    augment: Augment | None = None
    augments_chunks: bool = False
    augments_predicted: bool = False
    again: int = 0
    data: int = 0
    longest: int = 0
    block: int = 256
    passes: Callable[[Rung], int] = lambda rung: rung.chunk
    further: int = 0
    taken: Callable[[Rung], Rung] = lambda rung: rung
    setting: str = ""
    tips: Sequence[str] = ()

    def __call__(self, rung: Rung) -> Estimate:
        """The peak if it is trained in this way."""
        rung = self.taken(rung)
        prediction = self._prediction(rung) if self.longest else 0
        if self.states is None:
            return Estimate(0, 0, 0, prediction)
        return Estimate(self._weights + self._trainable, self._data(rung), self._activations(rung), prediction)

    def advice(self, least: Estimate, room: int) -> list[str]:
        """What to do if ``least`` is the least that the part takes; with a number of tiles that should fit."""
        found = ""
        if least.prediction > room:
            if count := _fitting(self.longest, least.prediction, 0, room):
                found = f"leave slides of more than {count} tiles out"
        elif count := _fitting(max(self.step.sizes), least.total, least.weights, room):
            if self.setting:
                found = f"--set {self.setting}={count}"
            elif max(self.step.sizes) == self.step.tiles:
                found = f"leave slides of more than {count} tiles out"
        return [*([found] if found else []), *self.tips]

    @cached_property
    def held(self) -> int:
        """Bytes of the module's weights, which are in memory already."""
        return state_bytes(self.module.state_dict())

    @cached_property
    def _trainable(self) -> int:
        """Bytes of the gradients."""
        return sum(p.numel() * p.element_size() for p in self.module.parameters() if p.requires_grad)

    @cached_property
    def _beside(self) -> int:
        return sum(state_bytes(module.state_dict()) for module in self.beside)

    @cached_property
    def _weights(self) -> int:
        """All that there is one of per weight, but gradients."""
        if self.states is None:
            return self.held + self._beside
        # The weights of the best epoch are kept on the CPU.
        copies = self.kinds * (2 if self.device.type == "cpu" else 1)
        return copies * self.held + self.states * self._trainable + self._beside

    @cached_property
    def _pixels(self) -> int:
        return 3 * self.px * self.px

    def _data(self, rung: Rung) -> int:
        """Tiles as they are read and as augmentation leaves them, or features."""
        count = sum(self.step.sizes)
        if not self.px:
            return 2 * count * self.dim * FLOAT + self.data
        ahead = self.ahead if self.device.type == "cpu" else 0
        read = (1 + ahead) * self.step.read * self._pixels + self.data
        if not self.augments_chunks:
            return read + max(self.tiles * self._pixels * FLOAT, self.tiles * self._augmented)
        chunk = min(rung.chunk or self.tiles, self.tiles)
        staying = chunk if rung.recompute else self.tiles
        return read + staying * self._pixels * FLOAT + chunk * max(0, self._augmented - self._pixels * FLOAT)

    @cached_property
    def _augmented(self) -> int:
        """Bytes per tile at the peak of augmentation."""
        if self.augment is None:
            return 0
        tiles = torch.zeros(2, 3, self.px, self.px, dtype=torch.uint8)
        drawn = self.augment.draw(len(tiles), 0)
        with Alive([tiles]) as alive:
            self.augment.apply(tiles, drawn)
        per_tile: int = alive.peak // len(tiles)
        return per_tile

    def _activations(self, rung: Rung) -> int:
        head = self._cost("head", self.step.sizes, rung, train=True)
        # Gradients are complete, and nothing else is left, when the optimiser makes its step.
        least = self._trainable if self.device.type == "cuda" else 0
        if self.encode is None:
            return max(head.peak, least)
        count = self.tiles
        chunk = min(rung.chunk or count, count)
        tail = self._cost("encode", (chunk,), rung, train=True)
        features = count * self.dim * FLOAT
        joined = features if chunk < count else 0
        least = max(least, head.peak, head.kept + self._once_more(rung))
        if rung.recompute:
            return features + joined + max(tail.peak + features, least)
        waiting = round(tail.kept * count / chunk)
        return waiting + joined + max(tail.peak - tail.kept + features, least)

    def _once_more(self, rung: Rung) -> int:
        if not self.again:
            return 0
        block = min(self.passes(rung) or self.block, self.block, self.again)
        return self._cost("encode", (block,), rung, train=False).peak + self.again * self.dim * FLOAT

    def _prediction(self, rung: Rung) -> int:
        features = self.longest * self.dim * FLOAT
        head = self._cost("head", (self.longest,), rung, train=False).peak
        # Raw weights are set aside while averaged ones are in their place.
        resting = self._weights + (self.held if self.kinds > 1 else 0) + self.further
        if self.encode is None:
            return resting + 2 * features + head
        block = min(self.block, self.longest)
        chunk = min(self.passes(rung) or block, block)
        passing = self._cost("encode", (chunk,), rung, train=False).peak + block * self._pixels
        if self.augments_predicted:
            passing += block * self._augmented
        return resting + features + max(passing, features + head)

    @cached_property
    def _footprint(self) -> Footprint:
        passes = {}
        if self.encode is not None:
            passes["encode"] = encoding(self.encode, self.px)
        if self.head is not None:
            passes["head"] = Pass(self.head, FEW_ROWS)
        return Footprint(self.module, passes, self.device)

    def _cost(self, name: str, sizes: Sequence[int], rung: Rung, *, train: bool) -> Cost:
        if (self.encode if name == "encode" else self.head) is None:
            return _NOTHING
        return self._footprint.cost(name, sizes, rung.precision, train=train)


def _fitting(tiles: int, total: int, fixed: int, room: int) -> int:
    """So many tiles as ``room`` should hold, rounded down to a round number."""
    share = max(0.0, room - fixed) / max(1, total - fixed)
    count = int(0.9 * tiles * share)
    step = int("1".ljust(len(str(count)) - 1, "0"))
    return count // step * step
