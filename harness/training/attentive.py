"""Attention-based sampling: the tiles of a slide that the network itself attends to most."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from harness.api.aggregator import Aggregator
from harness.bags.packed import PackedBags
from harness.core.errors import UsageError

SCORE_BLOCK = 256
"""Tiles that are encoded at once to be ranked."""


class Attending(Protocol):
    """A tile encoder and an aggregator: what attention is asked of."""

    training: bool

    @property
    def aggregator(self) -> Aggregator:
        """Features → logits and attention."""

    def encode(self, tiles: Tensor, /) -> Tensor:
        """Features of tiles."""

    def eval(self) -> object:
        """Evaluation mode."""

    def train(self, mode: bool = True) -> object:
        """Training mode, or not."""


@torch.no_grad()
def most_attended(network: Attending, bags: PackedBags, tiles: int, seed: int) -> PackedBags:
    """The ``tiles`` tiles of each bag with most attention, under the network's present weights in evaluation mode.

    With several attention heads every head votes for its ``tiles`` highest tiles, as in the published code of ABMILX
    (``sel_type: ema``); equal numbers of votes are ranked by the mean attention over the heads. The choice carries no
    gradient. A bag that is too small gives all its tiles and random repeats.

    Args:
        network: gives the attention; its mode is restored afterwards.
        bags: whole bags, tiles (T, 3, H, W) or features (T, D).
        tiles: how many to keep of each.
        seed: of the repeats.

    Raises:
        UsageError: the network gives no attention.
    """
    was_training = network.training
    network.eval()
    try:
        features = torch.cat([network.encode(block) for block in torch.split(bags.x, SCORE_BLOCK)])
        attention = network.aggregator(bags.with_x(features)).attention
    finally:
        network.train(was_training)
    if attention is None:
        raise UsageError(
            "attention-based sampling needs attention, which this method gives none of",
            place="hyper-parameter tile_sampling",
            fix="use --set tile_sampling=random or regions",
        )
    sizes = bags.offsets.diff().tolist()
    rng = np.random.default_rng(seed)
    return bags.taken([_rows(weights, tiles, rng) for weights in torch.split(attention, sizes)])


def _rows(weights: Tensor, tiles: int, rng: np.random.Generator) -> Tensor:
    """Rows of the ``tiles`` most attended of the tiles with attention (n,) or (n, heads)."""
    count = len(weights)
    if count <= tiles:
        repeats = torch.from_numpy(rng.integers(0, count, tiles - count))
        return torch.cat([torch.arange(count), repeats]).to(weights.device)
    heads = weights.reshape(count, -1).double()
    votes = torch.zeros_like(heads).scatter_(0, heads.topk(tiles, 0).indices, 1.0).sum(1)
    # A mean weight is at most 1: half of it never outweighs a vote.
    return (votes + 0.5 * heads.mean(1)).topk(tiles).indices
