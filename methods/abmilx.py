"""ABMILX: the tile encoder and a smoothed multi-head attention, trained together from slide labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness import MethodCard, MILMethod, MILParams, UsageError, fixed, redeclared, tunable
from harness.api import Conditions
from methods.abmilx_presets import PRESETS, PUBLISHED_INPUTS

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

    width: int = tunable(256, choices=(64, 128, 256, 384, 512), ge=1, source="code", help="d, width of the embedding")
    heads: int = tunable(
        8, choices=(2, 4, 8, 16), ge=1, source="code", help="m, attention heads; must divide the width"
    )
    act: str = fixed(
        "gelu",
        choices=("gelu", "relu", "none"),
        source="code",
        help="activation of the first layer; attention network and feed-forward part use gelu, as in the code",
    )
    norm: str = fixed(
        "ln", choices=("ln", "none"), source="code", help="layer norm at entry and exit of the aggregator"
    )
    bias: bool = fixed(False, source="paper", help="biases in the aggregator's linear layers")
    attention_bias: bool = fixed(False, source="code", help="biases in the small attention network")
    ffn: bool = tunable(False, choices=(False, True), source="code", help="feed-forward part behind the pooling")
    dropout: float = tunable(0.25, low=0.0, high=0.75, ge=0, lt=1, source="code", help="dropout behind the first layer")
    attention_plus: str = fixed(
        "learned",
        choices=("learned", "fixed", "off"),
        source="paper",
        help="alpha of attention plus; off: no smoothing",
    )
    alpha_init: str = fixed("one", choices=("one", "normal"), help="start of alpha: 1, or drawn from N(0, 1)")

    only_with: ClassVar[Conditions] = {
        **MILParams.only_with,
        "alpha_init": {"attention_plus": ("learned", "fixed")},
    }

    def check(self, place: str) -> None:
        """Heads have to divide the width."""
        super().check(place)
        if self.width % self.heads:
            raise UsageError(
                f"{self.heads} heads do not divide a width of {self.width}",
                place=place,
                fix="choose heads from 1, 2, 4, 8, 16 and a width that is a multiple",
            )


class ABMILX(MILMethod):
    """End to end by default; on features it is the aggregator alone."""

    card = MethodCard(
        name="abmilx",
        version=1,
        title="ABMILX, end to end",
        paper=PAPER,
        inputs=("tiles", "features"),
        tasks=("any",),
        scales=2,
        published=PUBLISHED_INPUTS,
        attention=True,
        open_points=(
            ALPHA,
            "the layer norm inside attention plus and the biases of the feed-forward part are in the code, not in the "
            "paper's equations; here as in the code",
            "the weights that are reported: the code validates raw and averaged (EMA) weights each epoch and keeps the "
            "best of each, the paper is silent about the average. Here too both have scores in the curve (val_*, "
            "val_ema_*) and a best value in the record (best_raw, best_ema); report_weights alone decides which are "
            "kept, never the better score: presets keep the average for PANDA and BRCA subtyping, raw for survival",
            "batch norm takes its statistics over chunks of encode_chunk tiles of the step, slide after slide, coarse "
            "before fine tiles within a slide; a last chunk may be smaller, running statistics move once per chunk. "
            "The code's chunk of 512 is one slide for r18_brca_subtyping and a GPU's four slides for "
            "r50_brca_subtyping; elsewhere it is a GPU's whole batch. Its synchronised batch norm joins the chunks of "
            "both GPUs, which is 1,024 tiles: encode_chunk=1024 on one device. On two devices, whose batch norm is "
            "synchronised here too, encode_chunk=512 is the same",
            "training tiles: the code reads them at 256 pixels and crops them at random to 224; its evaluation reads "
            "the same tiles resized to 224. Here tile_px=256 and crop_px=224. Crops are resized with antialiasing, as "
            "there",
            "early stopping: the code counts an equal score as a better one, here the epoch with the smaller loss is",
            "sampling ablations: the paper compares region-stratified and attention-based sampling in numbers only. "
            "tile_sampling=regions cuts the box around a slide's tiles into equal rectangles (the code's helper, which "
            "does not run, cuts its tile list laid out in a square); tile_sampling=attention ranks all fine tiles at "
            "each visit by the present weights (the code by an averaged copy), each head voting for its highest; what "
            "the first weights do not attend to may never be drawn. Whether the paper's "
            "comparison drew coarse tiles too is open: regions may, attention may not",
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

        optimizer: str = redeclared(HeadParams, "optimizer", "adamw", source="paper")
        lr: float = redeclared(HeadParams, "lr", 8e-5, source="paper", help="of encoder and aggregator alike")
        weight_decay: float = tunable(0.0, low=0.0, high=5e-2, source="paper", help="weight decay of the optimiser")
        schedule: str = redeclared(HeadParams, "schedule", "cosine", source="code", help="per epoch, down to min_lr")
        min_lr: float = redeclared(HeadParams, "min_lr", 1e-7, source="code")
        epochs: int = redeclared(HeadParams, "epochs", 75, source="paper")
        warmup_epochs: int = redeclared(HeadParams, "warmup_epochs", 10, source="code")
        patience: int | None = redeclared(HeadParams, "patience", 10, source="code")
        min_epochs: int = redeclared(HeadParams, "min_epochs", 52, source="code")
        batch_size: int = redeclared(HeadParams, "batch_size", 6, source="code", help="slides per step")
        tiles_per_bag: int = tunable(
            512, low=64, high=1280, log=True, source="code", help="s, tiles drawn per slide and visit; 0 takes all"
        )
        low_ratio: int = tunable(4, low=0, high=10, source="code", help="r: floor(s / r) of them from the coarse scale")
        augment: str = redeclared(
            HeadParams,
            "augment",
            "weak",
            source="code",
            help="geometric augmentation per tile; colour augmentation hurts (paper)",
        )
        crop_min: float = redeclared(HeadParams, "crop_min", 0.25, source="code")
        encode_chunk: int = redeclared(HeadParams, "encode_chunk", 1024, source="code")
        crop_px: int = redeclared(HeadParams, "crop_px", 224, source="code")
        ema_decay: float | None = redeclared(HeadParams, "ema_decay", 0.9997, source="code")
        report_weights: str = redeclared(HeadParams, "report_weights", "ema")

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
        act=params.act,
    )
