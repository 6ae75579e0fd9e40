"""Mean pooling of tile embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness import MethodCard, MILMethod, fixed
from methods.recipes import OPEN_RECIPE, PoolingParams, classic_presets, colon_preset
from methods.widths import parse_widths

if TYPE_CHECKING:
    from harness import Aggregator

POOLING_OPEN_POINTS = (
    "papers that report mean and max pooling rarely say what is pooled: here embeddings behind a ReLU trunk, per "
    "channel, then one linear layer (MI-Net), not the scores of instances (mi-Net)",
    OPEN_RECIPE,
    "two classes are modelled with one logit as in MI-Net (--set single_logit=false for two)",
)


class MeanPool(MILMethod):
    """The mean of the embedded tiles, then one linear layer."""

    card = MethodCard(
        name="mean_pool",
        version=1,
        title="Mean pooling",
        paper="Wang et al. 2018 (MI-Net), arXiv 1610.02501",
        inputs=("features", "tiles"),
        tasks=("any",),
        open_points=POOLING_OPEN_POINTS,
        parity="no frozen outputs to compare with; tested against the formula",
        presets={**classic_presets(dropout_at="last"), "colon": colon_preset()},
    )

    class Params(PoolingParams):
        """As shared, with MI-Net's place of dropout."""

        dropout_at: str = fixed(
            "last", choices=("each", "last"), source="code", help="dropout behind each layer of the trunk, or the last"
        )

    params: Params
    pool: ClassVar[str] = "mean"

    def aggregator(self, dim: int) -> Aggregator:
        """The pooling network."""
        from methods.aggregators.pooling import PoolingMIL

        return PoolingMIL(
            dim,
            self.task.n_classes,
            pool=self.pool,
            widths=parse_widths(self.params.trunk),
            dropout=self.params.dropout,
            dropout_at=self.params.dropout_at,
            single_logit=self.params.single_logit and self.task.class_logits,
            init=self.params.init,
        )
