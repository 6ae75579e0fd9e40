"""Networks in which something of the authors' own stands behind a transformer of timm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_WIDTH = 768


class Projected(nn.Module):
    """KEEP's image half: the class token through two linear layers, to unit length. (n, 3, H, W) → (n, 768).

    After the code of github.com/MAGIC-AI4Med/KEEP; its entries have the names of the published weights.

    Args:
        trunk: a transformer of timm without head.
    """

    def __init__(self, trunk: Any) -> None:
        super().__init__()
        self.visual = trunk
        self.visual_head = nn.Sequential(nn.Linear(trunk.num_features, _WIDTH), nn.GELU(), nn.Linear(_WIDTH, _WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return functional.normalize(self.visual_head(self.visual(x)), dim=-1)


class AttendedPool(nn.Module):
    """Tokens (n, t, D) → (n, 768): a learnt query attends to them, over 8 heads; layer norms before, no biases.

    Args:
        context: D.
    """

    def __init__(self, context: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, _WIDTH))
        self.heads = 8
        self.ln_k = nn.LayerNorm(context)
        self.ln_q = nn.LayerNorm(_WIDTH)
        self.to_q = nn.Linear(_WIDTH, _WIDTH, bias=False)
        self.to_kv = nn.Linear(context, 2 * _WIDTH, bias=False)
        self.to_out = nn.Linear(_WIDTH, _WIDTH, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """See the class."""
        bags = len(tokens)
        query = self.to_q(self.ln_q(self.query)).expand(bags, -1, -1)
        keys, values = self.to_kv(self.ln_k(tokens)).chunk(2, dim=-1)
        parts = [x.reshape(bags, x.shape[1], self.heads, -1).transpose(1, 2) for x in (query, keys, values)]
        found: Tensor = self.to_out(functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2))
        return found[:, 0]


class Attended(nn.Module):
    """CONCH v1.5's image half: all tokens through an attentional pool and a layer norm. (n, 3, H, W) → (n, 768).

    As TRIDENT (a91fa84) builds it; its entries have the names of the published weights.

    Args:
        trunk: a transformer of timm without head.
    """

    def __init__(self, trunk: Any) -> None:
        super().__init__()
        self.trunk = trunk
        self.attn_pool_contrast = AttendedPool(trunk.num_features)
        self.ln_contrast = nn.LayerNorm(_WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        features: Tensor = self.ln_contrast(self.attn_pool_contrast(self.trunk.forward_features(x)))
        return features


class ByChannel(nn.Module):
    """GenBio-PathFM: red, green and blue one by one through a transformer of one channel. (n, 3, H, W) → (n, 3 D).

    As TRIDENT (a91fa84) builds it; its entries have the names of the transformer's.

    Args:
        trunk: a transformer of timm without head, of one input channel.
    """

    def __init__(self, trunk: Any) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        tokens: Tensor = self.trunk.forward_features(x.flatten(0, 1)[:, None])
        return tokens[:, 0].reshape(len(x), -1)


HEADS: dict[str, Callable[[Any], nn.Module]] = {
    "": lambda trunk: trunk,
    "keep": Projected,
    "conch_v15": Attended,
    "by_channel": ByChannel,
}
"""By the word in :class:`harness.encoders.table.row.Network`: the trunk → the network with what is behind it."""
