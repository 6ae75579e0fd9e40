"""Attention-based deep MIL."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness import MethodCard, MILMethod, tunable
from methods.recipes import OPEN_RECIPE, PoolingParams, classic_presets, colon_preset
from methods.widths import parse_widths

if TYPE_CHECKING:
    from harness import Aggregator

ABMIL_OPEN_POINTS = (
    "equations 8 and 9 have no biases in the attention network, the published code has; here with biases",
    "two classes are a Bernoulli model with one logit as in the paper; more classes, which the paper does not treat, "
    "have a softmax over C logits (--set single_logit=false gives two classes a softmax too)",
    OPEN_RECIPE,
)
ABMIL_PRESETS = {
    **classic_presets(dropout_at="each", hidden=64),
    "colon": colon_preset(hidden=128),
}


class ABMIL(MILMethod):
    """Attention pooling: tiles weighted by a two-layer network."""

    card = MethodCard(
        name="abmil",
        version=1,
        title="Attention-based deep MIL",
        paper="Ilse et al. 2018, arXiv 1802.04712",
        inputs=("features", "tiles"),
        tasks=("any",),
        attention=True,
        open_points=ABMIL_OPEN_POINTS,
        presets=ABMIL_PRESETS,
        parity=(
            "frozen outputs of the published code to 1e-5: attention, slide vector, probability, with one logit; the "
            "published convolutional embedder in front is not part of it"
        ),
    )

    class Params(PoolingParams):
        """As shared by the baselines, and the width of the attention."""

        hidden: int = tunable(
            128, low=32, high=512, log=True, ge=1, source="paper", help="width of the attention space"
        )

    params: Params
    gated: ClassVar[bool] = False

    def aggregator(self, dim: int) -> Aggregator:
        """The attention network."""
        from methods.aggregators.attention import AttentionMIL

        return AttentionMIL(
            dim,
            self.task.n_classes,
            hidden=self.params.hidden,
            gated=self.gated,
            widths=parse_widths(self.params.trunk),
            dropout=self.params.dropout,
            dropout_at=self.params.dropout_at,
            single_logit=self.params.single_logit and self.task.class_logits,
            init=self.params.init,
        )
