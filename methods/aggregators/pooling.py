"""Mean and max pooling of tile embeddings."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from harness import Aggregator, BagOutput, PackedBags
from harness.api import segment_max, segment_mean
from methods.aggregators.trunk import SlideHead, Trunk, initialise

POOLS = {"mean": segment_mean, "max": segment_max}


class PoolingMIL(Aggregator):
    """Embedding-level pooling: ``logits = W · pool_n f(x_n) + b``.

    ``f`` is a trunk of ReLU layers, ``pool`` the mean or the maximum over the tiles *per channel* (MI-Net, Wang et
    al. 2018, arXiv 1610.02501: the bag is pooled as an embedding; not mi-Net, which pools the scores of instances).

    Shapes: x (T, D) → embeddings (T, d) → slide vectors (B, d) → logits (B, C). There is no attention.

    Args:
        dim: width D of the features.
        n_classes: number of classes C.
        pool: ``mean`` or ``max``.
        widths: widths of the trunk's layers.
        dropout, dropout_at: dropout in the trunk, behind ``each`` layer or the ``last``.
        single_logit: for two classes, one logit instead of two.
        init: ``torch`` or ``glorot``.
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        *,
        pool: str,
        widths: Sequence[int] = (512,),
        dropout: float = 0.0,
        dropout_at: str = "last",
        single_logit: bool = True,
        init: str = "torch",
    ) -> None:
        super().__init__()
        self.trunk = Trunk(dim, widths, dropout=dropout, dropout_at=dropout_at)
        self.pool = POOLS[pool]
        self.head: nn.Module = SlideHead(self.trunk.dim, n_classes, single_logit=single_logit)
        initialise(self, init)

    def forward(self, bags: PackedBags) -> BagOutput:
        """Logits (B, C); ``extra['embedding']`` holds the slide vectors (B, d)."""
        slides = self.pool(self.trunk(bags.x), bags.offsets)
        return BagOutput(self.head(slides), extra={"embedding": slides})
