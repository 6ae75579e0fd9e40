"""ABMILX as an aggregator on frozen features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import MethodCard, MILMethod, PublishedInput, redeclared, tunable
from methods.abmilx import ALPHA, PAPER, SURVIVAL, HeadParams, build_head
from methods.abmilx_presets import HEAD_PRESETS

if TYPE_CHECKING:
    from harness import Aggregator


class ABMILXHead(MILMethod):
    """The aggregator of ABMILX, two-stage."""

    card = MethodCard(
        name="abmilx_head",
        version=1,
        title="ABMILX on frozen features",
        paper=PAPER,
        published=(
            PublishedInput(
                source="arXiv 2506.02408, recipe of two-stage methods (256-pixel tiles at 20x, ResNet-50 features); "
                "github.com/DearCaat/E2E-WSI-ABMILX at 4ce524e: README.md (features as in CLAM, width 1024)",
                kind="features",
                encoder="resnet50.tv_in1k@layer3",
                mpp=(0.5,),
                tile_px=256,
            ),
        ),
        tasks=("any",),
        attention=True,
        open_points=(
            ALPHA,
            "number of heads: the code's README sweeps 2, 4, 8, 16 on features; here 8 unless set or tuned",
            "learning rate: 2e-4 for ResNet-50 features, 1e-4 for foundation models (paper); here 2e-4, and 1e-4 in "
            "the presets fm_*, the released configurations",
            "activation of the first layer: relu in the released configurations for classification, gelu in that for "
            "survival and in the README's example; here gelu, and the presets as released",
            "the released configurations alone switch attention plus off, which the README's example has; the presets "
            "follow the README",
            *SURVIVAL,
        ),
        presets=HEAD_PRESETS,
        parity="frozen outputs of the published aggregator to 1e-5: logits, attention, loss and its gradient",
    )

    class Params(HeadParams):
        """The two-stage configuration: biases on, no layer norms at entry and exit."""

        width: int = redeclared(HeadParams, "width", 512, source="paper")
        norm: str = redeclared(HeadParams, "norm", "none", source="code")
        bias: bool = redeclared(HeadParams, "bias", True, source="code")
        attention_bias: bool = redeclared(HeadParams, "attention_bias", True, source="code")
        optimizer: str = redeclared(HeadParams, "optimizer", "adamw", source="paper")
        lr: float = redeclared(HeadParams, "lr", 2e-4, source="paper")
        weight_decay: float = tunable(0.0, low=0.0, high=1e-2, source="paper", help="weight decay of the optimiser")
        schedule: str = redeclared(HeadParams, "schedule", "cosine", source="paper", help="per epoch, down to min_lr")
        epochs: int = redeclared(HeadParams, "epochs", 75, source="paper")

    params: Params

    def aggregator(self, dim: int) -> Aggregator:
        """The ABMILX aggregator."""
        return build_head(self.params, dim, self.task.n_classes)
