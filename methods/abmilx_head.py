"""ABMILX as an aggregator on frozen features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import MethodCard, MILMethod, fixed, tunable
from methods.abmilx import ALPHA, PAPER, SURVIVAL, HeadParams, build_head

if TYPE_CHECKING:
    from harness import Aggregator


class ABMILXHead(MILMethod):
    """The aggregator of ABMILX, two-stage."""

    card = MethodCard(
        name="abmilx_head",
        title="ABMILX on frozen features",
        paper=PAPER,
        tasks=("classification", "survival"),
        attention=True,
        open_points=(
            ALPHA,
            "number of heads: the code's README sweeps 2, 4, 8, 16 on features; here 8 unless set or tuned",
            "learning rate: 2e-4 for ResNet-50 features, 1e-4 for foundation models (paper); here 2e-4",
            *SURVIVAL,
        ),
        parity="frozen outputs of the published aggregator to 1e-5: logits, attention, loss and its gradient",
    )

    class Params(HeadParams):
        """The two-stage configuration: biases on, no layer norms at entry and exit."""

        width: int = tunable(512, choices=(64, 128, 256, 384, 512), source="paper", help="d, width of the embedding")
        norm: str = fixed("none", choices=("ln", "none"), source="code", help="layer norm at entry and exit")
        bias: bool = fixed(True, source="code", help="biases in the aggregator's linear layers")
        attention_bias: bool = fixed(True, source="code", help="biases in the small attention network")
        optimizer: str = fixed(
            "adamw", choices=("adam", "adamw", "sgd"), source="paper", help="sgd has Nesterov momentum 0.9"
        )
        lr: float = tunable(2e-4, low=1e-5, high=1e-3, log=True, source="paper", help="learning rate")
        weight_decay: float = tunable(0.0, low=0.0, high=1e-2, source="paper", help="weight decay of the optimiser")
        schedule: str = fixed(
            "cosine", choices=("constant", "cosine", "inverse"), source="paper", help="per epoch, down to min_lr"
        )
        epochs: int = fixed(75, source="paper", help="epochs at most")

    params: Params

    def aggregator(self, dim: int) -> Aggregator:
        """The ABMILX aggregator."""
        return build_head(self.params, dim, self.task.n_classes)
