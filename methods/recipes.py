"""Hyper-parameters and presets that the pooling and attention baselines share."""

from __future__ import annotations

from typing import Any

from harness import MILParams, Preset, fixed, redeclared, tunable
from methods.widths import parse_widths

OPEN_RECIPE = (
    "no paper gives a training recipe for whole slides: the defaults (AdamW, learning rate 2e-4, no weight decay, "
    "cosine, 75 epochs, one slide per step, 512-wide ReLU layer with dropout 0.25) are those of the two-stage "
    "baselines in the ABMILX paper and code"
)


class PoolingParams(MILParams):
    """Trunk and head of a pooling network, with the training recipe for whole slides."""

    weight_decay: float = tunable(0.0, low=0.0, high=1e-2, help="weight decay of the optimiser")
    optimizer: str = redeclared(MILParams, "optimizer", "adamw")
    schedule: str = redeclared(MILParams, "schedule", "cosine")
    epochs: int = redeclared(MILParams, "epochs", 75)
    trunk: str = fixed("512", help="widths of the ReLU layers in front of the pooling, as 256-128-64; or none")
    dropout: float = tunable(0.25, low=0.0, high=0.75, ge=0, lt=1, help="dropout in the trunk")
    dropout_at: str = fixed(
        "each", choices=("each", "last"), help="dropout behind each layer of the trunk, or the last"
    )
    single_logit: bool = fixed(
        True, help="two classes: one logit and a sigmoid (Bernoulli) instead of a softmax of two"
    )
    init: str = fixed(
        "torch", choices=("torch", "glorot"), help="first weights: torch's, or Glorot-uniform, zero biases"
    )

    def check(self, place: str) -> None:
        """Widths of the trunk."""
        super().check(place)
        parse_widths(self.trunk, place=f"{place}: trunk")


def minns(dataset: str, lr: float, l2: float, **more: Any) -> Preset:
    """The recipe of the MI-Net code (MINNs) for a classical data set.

    Keras' ``l2(λ)`` adds λ‖W‖² on weights only, which is a weight decay of 2 λ on weights.
    """
    params: dict[str, Any] = {
        "trunk": "256-128-64",
        "dropout": 0.5,
        "init": "glorot",
        "optimizer": "sgd",
        "lr": lr,
        "weight_decay": 2 * l2,
        "l2_on": "weights",
        "schedule": "inverse",
        "epochs": 50,
        "batch_size": 1,
    }
    return Preset(
        help=f"{dataset}: the recipe of the MI-Net code (Wang et al. 2018, README and source of MINNs)",
        params=params | more,
        input={"kind": "features"},
        repository="yanyongluan/MINNs",
        commit="f816645f5d7bbc9366b95fc967f775426fc081c1",
        file="README.md",
    )


def classic_presets(**more: Any) -> dict[str, Preset]:
    """``musk1`` and ``musk2``; the code's README gives each its own learning rate and decay."""
    return {"musk1": minns("MUSK1", 5e-4, 0.005, **more), "musk2": minns("MUSK2", 5e-4, 0.03, **more)}


def colon_preset(**more: Any) -> Preset:
    """End to end on nucleus patches, after the colon cancer experiment of Ilse et al. 2018."""
    params: dict[str, Any] = {
        "trunk": "none",
        "init": "glorot",
        "optimizer": "adam",
        "lr": 1e-4,
        "weight_decay": 5e-4,
        "schedule": "constant",
        "epochs": 25,
        "batch_size": 1,
        "augment": "rotate",
    }
    return Preset(
        help=(
            "colon-nuclei, trained end to end: Adam 1e-4, weight decay 5e-4, whole bags, one per step, after the colon "
            "cancer experiment of Ilse et al. 2018 (inferred from public re-implementations). 25 epochs instead of its "
            "100 so that a fold takes minutes on a CPU; flips and quarter turns, without its stain jitter"
        ),
        params=params | more,
        input={"kind": "tiles", "encoder": "conv27", "tile_px": 27},
    )
