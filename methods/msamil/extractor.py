"""MSFEM: one extractor for tiles of all scales, a convolutional trunk whose map a transformer reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from harness.api import encode_in_chunks
from methods.msamil.frozen_norm import freeze_norms

if TYPE_CHECKING:
    from harness import TileEncoder
    from harness.api import Augment

Draw = Any
"""What :meth:`harness.api.Augment.draw` gives: parameters per tile, cut as the tiles are."""


class Extractor(nn.Module):
    """Tiles (n, 3, H, W), 0..255 → features (n, d).

    The trunk's map F (c, h, w) becomes the sequence S (h w, c); ``X = [cls, S W + b] + E_s`` with W: c → d and learned
    positions E_s (1 + h w, d); pre-LN transformer layers ``Y = X + MHA(LN(X))``, ``X' = Y + FFN(LN(Y))`` and a closing
    layer norm; the feature is the class token. Batch norms of the trunk use fixed statistics, so that a tile's feature
    does not depend on the tiles beside it, and both passes of the chunked encoding agree.

    Args:
        trunk: a tile encoder with a convolutional map (``TileEncoder.feature_map``).
        tile_px: side of the tiles.
        width: d.
        layers, heads: of the transformer; its feed-forward part is four times as wide.
        dropout: in the transformer.
        chunk, recompute: see :func:`harness.api.encode_in_chunks`.

    Raises:
        UsageError: the trunk has no convolutional map.
    """

    def __init__(
        self,
        trunk: TileEncoder,
        tile_px: int,
        *,
        width: int,
        layers: int,
        heads: int,
        dropout: float,
        chunk: int = 0,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.chunk, self.recompute = chunk, recompute
        self.trunk = freeze_norms(trunk)
        channels, tokens = _map_size(trunk, tile_px)
        self.embed = nn.Linear(channels, width)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, 1 + tokens, width))
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def train(self, mode: bool = True) -> Extractor:
        """Training mode, except for the trunk's batch norms."""
        super().train(mode)
        freeze_norms(self.trunk)
        return self

    def forward(self, tiles: Tensor) -> Tensor:
        """Features of tiles with values 0..255, uint8 or float."""
        tokens = self.embed(self.trunk.feature_map(tiles).flatten(2).transpose(1, 2))
        x = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], 1) + self.positions
        for layer in self.layers:
            x = layer(x)
        features: Tensor = self.norm(x[:, 0])
        return features

    def chunked(self, tiles: Tensor, *, augment: Augment | None = None, seed: int = 0) -> Tensor:
        """The same, ``self.chunk`` tiles at a time (0: all at once) with gradients that are exact.

        Args:
            tiles: (n, 3, H, W) uint8, on any device.
            augment: applied to each chunk on the network's device, with parameters drawn per tile.
            seed: of the augmentation.
        """
        if augment is None:
            return encode_in_chunks(self, tiles, self.chunk, module=self, recompute=self.recompute)
        device = self.class_token.device

        def encode(part: Tensor, drawn: Draw) -> Tensor:
            return self(augment.apply(part.to(device, non_blocking=True), drawn))  # type: ignore[no-any-return]

        drawn = augment.draw(len(tiles), seed)
        return encode_in_chunks(encode, tiles, self.chunk, module=self, along=[drawn], recompute=self.recompute)

    @torch.no_grad()
    def calibrate(self, batches: Sequence[Tensor]) -> None:
        """Set the statistics of the trunk's batch norms to those of some tiles: mean over ``batches``.

        For trunks that start from random weights, whose statistics are none; then they stay fixed.
        """
        norms = [part for part in self.trunk.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over batches
            norm.train()
        for tiles in batches:
            self.trunk.feature_map(tiles)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


@torch.no_grad()
def _map_size(trunk: TileEncoder, tile_px: int) -> tuple[int, int]:
    """Channels and positions of the trunk's map, found by looking at one black tile."""
    was_training = trunk.training
    trunk.eval()
    found = trunk.feature_map(torch.zeros((1, 3, tile_px, tile_px), dtype=torch.uint8))
    freeze_norms(trunk.train(was_training))
    return found.shape[1], found.shape[2] * found.shape[3]
