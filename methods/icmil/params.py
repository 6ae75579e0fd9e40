"""Hyper-parameters of ICMIL."""

from __future__ import annotations

from typing import ClassVar

from harness import Params, UsageError, fixed, tunable
from harness.api import SELECTING, SET, Conditions

BAG_MODELS = ("max_pool", "abmil", "dtfd")
PUBLISHED_LR = {"max_pool": 1e-4, "abmil": 2e-4, "dtfd": 1e-4}
PUBLISHED_BETA = {"abmil": 6.0, "dtfd": 2.0}


class ICMILParams(Params):
    """Defaults of the published code (branch ``main``, the conference paper) unless marked as ours."""

    bag_model: str = fixed("abmil", choices=BAG_MODELS, source="paper", help="the bag classifier that teaches")
    iterations: int = fixed(
        1, ge=0, source="code", help="T, rounds of distillation; 0 is the plain two-stage bag model"
    )
    select_iteration: str = fixed(
        "last",
        choices=("last", "best"),
        source="code",
        help="which round's model is kept; best: by the protocol's metric on validation slides, and no further round "
        "once it stops improving",
    )
    warm_start: bool = fixed(False, help="start each bag model from the one before instead of from scratch")

    lr: float | None = tunable(
        None, low=1e-5, high=1e-3, log=True, gt=0, source="code", help="of the bag model; none: 2e-4 abmil, 1e-4 others"
    )
    weight_decay: float = tunable(
        1e-4, low=1e-6, high=1e-2, log=True, ge=0, source="code", help="of the bag model (Adam)"
    )
    epochs: int = fixed(200, ge=1, source="code", help="epochs of each bag model, one slide per step")
    patience: int | None = fixed(
        None, ge=1, source="code", help="stop a bag model after this many epochs without a better one"
    )
    clip_grad_norm: float | None = fixed(
        5.0, gt=0, source="code", help="largest gradient norm of each part of a bag model"
    )
    width: int = tunable(512, low=64, high=1024, log=True, ge=1, source="code", help="width of the reducer D")
    hidden: int = fixed(128, ge=1, source="code", help="width of the attention spaces")
    pseudo_bags: int = fixed(5, ge=1, source="code", help="pseudo-bags per bag (dtfd)")
    bag_mixup: bool = fixed(False, source="code", help="journal version: train bag models on bags of two slides")
    mixup_slides: int = fixed(4, ge=2, source="code", help="slides in a group; partners come from the same group")
    mixup_parts: int = fixed(4, ge=2, source="code", help="parts that a bag is cut into for that")
    mixup_alpha: float = fixed(1.0, gt=0, source="code", help="a of Beta(a, a), which the share is drawn from")
    mixup_chance: float = fixed(
        0.75, ge=0, le=1, source="code", help="chance of the other slide's parts; else the first's alone"
    )

    distil_steps: int = tunable(10_000, low=100, high=30_000, log=True, ge=1, help="steps of each distillation")
    distil_batch: int = fixed(
        100, ge=2, source="code", help="tiles per step, drawn from all tiles of the training slides"
    )
    distil_lr: float = tunable(1e-5, low=1e-6, high=1e-3, log=True, gt=0, source="code", help="of the student (Adam)")
    distil_weight_decay: float = fixed(1e-4, ge=0, source="code", help="of the student")
    distil_clip: float | None = fixed(5.0, gt=0, source="code", help="largest gradient norm of the student's two heads")
    distil_decay: float = fixed(
        1.0,
        gt=0,
        source="code",
        help="factor on the student's learning rate in the later part; 0.2 in the journal version",
    )
    distil_decay_at: float = fixed(
        0.5,
        ge=0,
        le=1,
        source="code",
        help="share of the steps from which that factor holds (journal version: epoch 100 of 200)",
    )
    crop_min: float = fixed(0.5, gt=0, le=1, source="code", help="smallest area of the student's random crop")
    alpha: float = tunable(0.5, low=0.0, high=2.0, ge=0, source="paper", help="weight of the weight-similarity loss")
    kl_reduction: str = fixed(
        "element", choices=("element", "sample"), source="code", help="mean over elements, or KL per tile (batch mean)"
    )
    confidence: bool = fixed(False, source="code", help="journal version: weigh tiles by the teacher's attention")
    beta: float | None = fixed(None, gt=0, source="code", help="sharpness of that weight; none: 6 abmil, 2 dtfd")
    distil_select: str = fixed(
        "agreement",
        choices=("agreement", "bag_model", "last"),
        source="code",
        help="which student is kept: closest to the teacher on tiles of validation slides; whose features a retrained "
        "bag model scores best with on validation slides; or the last",
    )
    distil_checks: int = fixed(
        10, ge=1, help="how often the student is compared with the teacher, or kept to be evaluated"
    )
    snapshot_epochs: int = fixed(
        20, ge=1, help="epochs of the bag model that evaluates a student (distil_select=bag_model)"
    )
    distil_val_tiles: int = fixed(2000, ge=1, help="tiles of validation slides that it is compared on")

    normalise: str = fixed(
        "encoder", choices=("encoder", "none"), help="tile values: as the encoder wants them, or 0..1 as published"
    )
    feature_dtype: str = fixed("float32", choices=("float32", "float16"), help="number type of stored features")
    embed_batch: int = fixed(448, ge=1, source="code", help="tiles per pass when features are made")
    keep_features: bool = fixed(
        True,
        help="keep the features of the best round, by an embedder trained on training slides, beside the record",
    )

    warm_epochs: int = fixed(
        0,
        ge=0,
        help="epochs of end-to-end training of the first embedder, for data without pretrained weights; 0 is published",
    )
    warm_lr: float = fixed(1e-4, gt=0, help="learning rate of that training (Adam)")
    warm_weight_decay: float = fixed(5e-4, ge=0, help="weight decay of that training")
    warm_batch: int = fixed(1, ge=1, help="slides per step of that training")
    warm_tiles: int = fixed(0, ge=0, help="tiles drawn per slide and visit in that training; 0 takes all")

    only_with: ClassVar[Conditions] = {
        "hidden": {"bag_model": ("abmil", "dtfd")},
        "pseudo_bags": {"bag_model": ("dtfd",)},
        "patience": SELECTING,
        "select_iteration": {**SELECTING, "iterations": SET},
        "warm_start": {"iterations": SET},
        **{name: {"bag_mixup": SET} for name in ("mixup_slides", "mixup_parts", "mixup_alpha", "mixup_chance")},
        **{
            name: {"iterations": SET}
            for name in (
                "distil_steps", "distil_batch", "distil_lr", "distil_weight_decay", "distil_clip", "distil_decay",
                "crop_min", "alpha", "kl_reduction", "confidence", "distil_select", "distil_checks",
            )
        },
        "beta": {"confidence": SET},
        "snapshot_epochs": {"distil_select": ("bag_model",), "iterations": SET},
        **{name: {"warm_epochs": SET} for name in ("warm_lr", "warm_weight_decay", "warm_batch", "warm_tiles")},
    }  # fmt: skip

    def check(self, place: str) -> None:
        """Values that make no sense together."""
        rules = {
            "confidence needs attention, which max_pool has none of": self.confidence and self.bag_model == "max_pool",
            "warm_epochs trains the encoder as it is and cannot go with normalise=none": self.warm_epochs > 0
            and self.normalise == "none",
        }
        for rule, broken in rules.items():
            if broken:
                raise UsageError(rule, place=place, fix="change the value with --set name=value")

    @property
    def bag_lr(self) -> float:
        """Learning rate of the bag model."""
        return PUBLISHED_LR[self.bag_model] if self.lr is None else self.lr

    @property
    def sharpness(self) -> float | None:
        """β of the confidence weight; None where tiles are not weighted."""
        if not self.confidence:
            return None
        return PUBLISHED_BETA[self.bag_model] if self.beta is None else self.beta
