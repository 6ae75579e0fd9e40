"""ABMILX: the tile encoder and a smoothed multi-head attention, trained together from slide labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import MethodCard, MILMethod, MILParams, UsageError, fixed, tunable
from methods.abmilx_presets import PRESETS

if TYPE_CHECKING:
    from harness import Aggregator

PAPER = "ABMILX 2025 (NeurIPS), arXiv 2506.02408"
ALPHA = (
    "the start of alpha: the paper is silent, the code draws N(0, 1), which may be negative; here it starts at 1 "
    "(--set alpha_init=normal for the code's way)"
)
SURVIVAL = (
    "survival: the code cuts time at quantiles of the event times of all patients, those of the test set included; "
    "here at those of each fold's training patients",
    "survival: the code puts the tiles of all slides of a patient into one bag; here each slide is a bag, and a "
    "patient's risk is the mean over the slides",
    "survival: the code clamps probabilities at 1e-7 and chooses epochs on the test set; here logarithms need no "
    "clamp, and the C-index on validation patients chooses",
)


class HeadParams(MILParams):
    """The aggregator of ABMILX."""

    width: int = tunable(256, choices=(64, 128, 256, 384, 512), source="code", help="d, width of the embedding")
    heads: int = tunable(8, choices=(2, 4, 8, 16), source="code", help="m, attention heads; must divide the width")
    norm: str = fixed(
        "ln", choices=("ln", "none"), source="code", help="layer norm at entry and exit of the aggregator"
    )
    bias: bool = fixed(False, source="paper", help="biases in the aggregator's linear layers")
    attention_bias: bool = fixed(False, source="code", help="biases in the small attention network")
    ffn: bool = tunable(False, choices=(False, True), source="code", help="feed-forward part behind the pooling")
    dropout: float = tunable(0.25, low=0.0, high=0.75, source="code", help="dropout behind the first layer")
    attention_plus: str = fixed(
        "learned",
        choices=("learned", "fixed", "off"),
        source="paper",
        help="alpha of attention plus; off: no smoothing",
    )
    alpha_init: str = fixed("one", choices=("one", "normal"), help="start of alpha: 1, or drawn from N(0, 1)")

    def check(self, place: str) -> None:
        """Heads have to divide the width."""
        super().check(place)
        if self.heads < 1 or self.width % self.heads:
            raise UsageError(
                f"{self.heads} heads do not divide a width of {self.width}",
                place=place,
                fix="choose heads from 1, 2, 4, 8, 16 and a width that is a multiple",
            )


class ABMILX(MILMethod):
    """End to end by default; on features it is the aggregator alone."""

    card = MethodCard(
        name="abmilx",
        title="ABMILX, end to end",
        paper=PAPER,
        inputs=("tiles", "features"),
        tasks=("classification", "survival"),
        scales=2,
        attention=True,
        open_points=(
            ALPHA,
            "the layer norm inside attention plus and the biases of the feed-forward part are in the code, not in the "
            "paper's equations; here as in the code",
            "the weights that are reported: the code evaluates raw and averaged (EMA) weights, the paper is silent "
            "about the average; presets report the average for PANDA and BRCA subtyping, raw weights for survival",
            "batch norm takes its statistics over a chunk of tiles (encode_chunk); the code's chunk is one slide for "
            "r18_brca_subtyping and a mixture of slides elsewhere",
            "published training used two GPUs; batch_size is the sum over both",
            "coarse tiles are used in training only, as in the code; prediction reads all fine tiles",
            "the code drops an incomplete last batch of an epoch; here it is used",
            "configurations for other data sets were not released: the defaults are those of r18_brca_subtyping",
            "the code repeats the slides of the smaller BRCA class twice in training; not done here",
            *SURVIVAL,
        ),
        presets=PRESETS,
        parity=(
            "frozen outputs of the published aggregator to 1e-5: logits, attention, loss and its gradient; sampling, "
            "augmentation and schedule are tested on their own"
        ),
    )

    class Params(HeadParams):
        """Defaults of the configuration r18_brca_subtyping."""

        optimizer: str = fixed(
            "adamw", choices=("adam", "adamw", "sgd"), source="paper", help="sgd has Nesterov momentum 0.9"
        )
        lr: float = tunable(8e-5, low=1e-5, high=1e-3, log=True, source="paper", help="of encoder and aggregator alike")
        weight_decay: float = tunable(0.0, low=0.0, high=5e-2, source="paper", help="weight decay of the optimiser")
        schedule: str = fixed(
            "cosine", choices=("constant", "cosine", "inverse"), source="code", help="per epoch, down to min_lr"
        )
        min_lr: float = fixed(1e-7, source="code", help="where the cosine ends")
        epochs: int = fixed(75, source="paper", help="epochs at most")
        warmup_epochs: int = fixed(
            10, source="code", help="linear warm-up from 1e-6; does not shift the cosine's clock"
        )
        patience: int | None = fixed(10, source="code", help="stop after this many epochs without a better score")
        min_epochs: int = fixed(50, source="code", help="never stop before this many epochs")
        batch_size: int = fixed(6, source="code", help="slides per step")
        tiles_per_bag: int = tunable(
            512, low=64, high=1280, log=True, source="code", help="s, tiles drawn per slide and visit; 0 takes all"
        )
        low_ratio: int = tunable(4, low=0, high=10, source="code", help="r: floor(s / r) of them from the coarse scale")
        augment: str = fixed(
            "weak",
            choices=("none", "flips", "rotate", "strong", "weak", "weak_strong"),
            source="code",
            help="geometric augmentation per tile; colour augmentation hurts (paper)",
        )
        crop_min: float = fixed(0.25, source="code", help="smallest area of a random crop")
        encode_chunk: int = fixed(
            512, source="code", help="tiles per encoder pass, and per batch-norm batch; 0 takes all"
        )
        ema_decay: float | None = fixed(0.9997, source="code", help="decay of averaged weights; none keeps no average")
        report_weights: str = fixed("ema", choices=("raw", "ema"), help="which weights are scored where both exist")

    params: Params

    def aggregator(self, dim: int) -> Aggregator:
        """The ABMILX aggregator."""
        return build_head(self.params, dim, self.task.n_classes)


def build_head(params: HeadParams, dim: int, n_classes: int) -> Aggregator:
    """The aggregator as ``params`` describe it."""
    from methods.aggregators import abmilx

    return abmilx.ABMILX(
        dim,
        n_classes,
        width=params.width,
        heads=params.heads,
        norm=params.norm,
        bias=params.bias,
        attention_bias=params.attention_bias,
        ffn=params.ffn,
        dropout=params.dropout,
        attention_plus=params.attention_plus,
        alpha_init=params.alpha_init,
    )
