"""The bag network: the shared extractor, then IAAM (MHE and DMQ), then a linear head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from harness import BagSource, Run, build_encoder
from methods.msamil.dmq import DynamicQuery
from methods.msamil.extractor import Extractor
from methods.msamil.mhe import HierarchicalEncoder, spatial_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness import Task
    from methods.msamil.params import MsaMILParams


@dataclass(frozen=True)
class Places:
    """Where the tiles of a bag are, and how large.

    Attributes:
        place: x / W, y / H of the top-left corner and number of the scale, (N, 3) float32; x and y are 0 where unknown.
        order: rows in the order of the sequence, (N,) int64.
        known: whether places are known.
    """

    place: Tensor
    order: Tensor
    known: bool

    @classmethod
    def of(cls, bags: BagSource, bag: int, rows: Sequence[NDArray[np.int64]]) -> Places:
        """Places of some tiles of a bag, given as rows per scale; the tiles of the finest scale come first."""
        grids = [bags.coords(bag, scale) for scale in range(len(rows))]
        extent = bags.extent(bag)
        scale = np.repeat(np.arange(len(rows)), [len(chosen) for chosen in rows])
        place = np.zeros((len(scale), 3), np.float32)
        place[:, 2] = scale
        corners = None
        if extent is not None and all(grid is not None for grid in grids):
            corners = np.concatenate(
                [grid[chosen] for grid, chosen in zip(grids, rows, strict=True) if grid is not None]
            )
            place[:, :2] = corners / np.array([extent.width, extent.height])
        order = spatial_order(corners, scale)
        return cls(torch.from_numpy(place), torch.from_numpy(order), corners is not None)


class MsaMILNet(nn.Module):
    """Tiles of three scales → class logits.

    Args:
        extractor: tiles (N, 3, H, W) → features (N, d).
        params: the method's hyper-parameters.
        n_classes: C.
    """

    def __init__(self, extractor: Extractor, params: MsaMILParams, n_classes: int) -> None:
        super().__init__()
        self.extractor = extractor
        self.mhe = HierarchicalEncoder(
            params.width,
            params.mhe_layers,
            params.mhe_heads,
            params.rank,
            dropout=params.dropout,
            residual=params.residual,
        )
        self.dmq = DynamicQuery(params.width, params.queries)
        self.head = nn.Linear(params.width, n_classes)
        # Ten open gates add up to a long bag vector: with torch's own first weights the network starts overconfident.
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def fuse(self, features: Tensor, places: Places) -> tuple[Tensor, Tensor]:
        """IAAM and head on the features of one bag.

        Args:
            features: (N, d), in any order.
            places: of the same tiles in the same order.

        Returns:
            Logits (C,), and the weight of each tile (N,) in the order of ``features``.
        """
        order = places.order.to(features.device)
        encoded = self.mhe(features[order], places.place.to(features.device)[order], ranked=places.known)
        bag, weights = self.dmq(encoded)
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=order.device)
        return self.head(bag), weights[back]


def build_network(params: MsaMILParams, task: Task, train: BagSource, run: Run) -> MsaMILNet:
    """The network on the run's device; its first weights depend on the ``init`` seed alone."""
    tile_px = train.scales[0].tile_px
    trunk = build_encoder(task.encoder, tile_px=tile_px, seed=run.seeds.seed("init", "encoder") % 2**32)
    with run.seeded("init", "msamil"):
        extractor = Extractor(
            trunk,
            tile_px,
            width=params.width,
            layers=params.token_layers,
            heads=params.token_heads,
            dropout=params.dropout,
            chunk=params.encode_chunk,
            recompute=params.recompute,
        )
        network = MsaMILNet(extractor, params, task.n_classes)
    return network.to(run.device)
