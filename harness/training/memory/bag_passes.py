"""The ways through a bag network whose costs are estimated: the tile encoder, and the aggregator with its loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from harness.bags.packed import PackedBags
from harness.training.memory.footprint import FEW_TILES, Pass, Way

if TYPE_CHECKING:
    from harness.training.mil_fit import BagNetwork


def encoding(encode: Callable[[object, Tensor], Tensor], tile_px: int) -> Pass:
    """``encode(network, tiles)`` of (n, 3, tile_px, tile_px) tiles with values 0..255; its one size is n."""

    def way(network: object, sizes: Sequence[int], device: torch.device) -> tuple[Callable[[], Tensor], Tensor]:
        tiles = torch.zeros(sum(sizes), 3, tile_px, tile_px, device=device)
        return (lambda: encode(network, tiles)), tiles

    return Pass(way, FEW_TILES, lowered=True)


def aggregation(dim: int, *, gradient: bool) -> Way:
    """The aggregator and its loss, for bags of these sizes; features are ``dim`` wide, with ``gradient`` to them."""

    def way(network: BagNetwork, sizes: Sequence[int], device: torch.device) -> tuple[Callable[[], Tensor], Tensor]:
        count = sum(sizes)
        dtype = next((p.dtype for p in network.aggregator.parameters()), torch.float32)
        x = torch.zeros(count, dim, device=device, dtype=dtype, requires_grad=gradient)
        offsets = torch.tensor([0, *np.cumsum(sizes)])
        bags = PackedBags(x, offsets, torch.zeros(len(sizes), dtype=torch.int64, device=device))

        def step() -> Tensor:
            output = network.aggregator(bags)
            assert bags.labels is not None
            return network.loss(output, bags.labels) if network.training else output.logits

        return step, x

    return way
