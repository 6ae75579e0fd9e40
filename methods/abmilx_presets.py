"""Presets of ABMILX: the five published configurations, and two for CPUs.

Values of the published ones: released configurations and paper (arXiv 2506.02408); what differs by provenance is in
``open_points`` of the card. The code cuts tiles of 256 pixels and shows them to the encoder at 224: the same field of
view, hence resolutions that are 256 / 224 of the nominal ones.
"""

from __future__ import annotations

from typing import Any

from harness import Preset

_SHRINK = 256 / 224
_PANDA = (round(0.48 * _SHRINK, 4), round(0.96 * _SHRINK, 4))
_TCGA = (round(1.0 * _SHRINK, 4), round(2.0 * _SHRINK, 4))
_R18, _R50 = "resnet18.tv_in1k@layer3", "resnet50.tv2_in1k@layer3"


def _published(what: str, encoder: str, mpp: tuple[float, float], params: dict[str, Any], *, note: str = "") -> Preset:
    return Preset(
        help=f"published configuration (code): {what}. Tiles of 256 pixels are read at 224, hence their mpp.{note}",
        params={"norm": "ln", "bias": False, "dropout": 0.25, "schedule": "cosine", "min_lr": 1e-7, **params},
        input={"kind": "tiles", "encoder": encoder, "mpp": mpp, "tile_px": 224},
    )


_PANDA_TRAINING: dict[str, Any] = {
    "heads": 4,
    "ffn": True,
    "tiles_per_bag": 128,
    "low_ratio": 4,
    "encode_chunk": 0,
    "augment": "strong",
    "crop_min": 0.08,
    "epochs": 200,
    "warmup_epochs": 0,
    "patience": 20,
    "ema_decay": 0.9999,
    "report_weights": "ema",
}
_BRCA_TRAINING: dict[str, Any] = {
    "width": 256,
    "heads": 8,
    "ffn": False,
    "encode_chunk": 512,
    "optimizer": "adamw",
    "lr": 8e-5,
    "weight_decay": 0.0,
    "warmup_epochs": 10,
    "patience": 10,
    "ema_decay": 0.9997,
    "report_weights": "ema",
}

PRESETS = {
    "r18_panda": _published(
        "ResNet-18 on PANDA; 8 slides on each of 2 GPUs",
        _R18,
        _PANDA,
        {
            **_PANDA_TRAINING,
            "width": 512,
            "optimizer": "adam",
            "lr": 2e-4,
            "weight_decay": 1e-5,
            "batch_size": 16,
            "min_epochs": 120,
        },
        note=" Its '40x' is level 0, which is 0.48 microns per pixel; the code selects epochs by macro accuracy",
    ),
    "r50_panda": _published(
        "ResNet-50 on PANDA; 4 slides on each of 2 GPUs",
        _R50,
        _PANDA,
        {
            **_PANDA_TRAINING,
            "width": 256,
            "optimizer": "adamw",
            "lr": 2e-4,
            "weight_decay": 1e-2,
            "batch_size": 8,
            "min_epochs": 200,
        },
        note=" Its '40x' is level 0, which is 0.48 microns per pixel; the code selects epochs by macro accuracy",
    ),
    "r18_brca_subtyping": _published(
        "ResNet-18 on TCGA-BRCA subtyping; 3 slides on each of 2 GPUs",
        _R18,
        _TCGA,
        {
            **_BRCA_TRAINING,
            "tiles_per_bag": 512,
            "low_ratio": 4,
            "batch_size": 6,
            "augment": "weak",
            "crop_min": 0.25,
            "epochs": 75,
            "min_epochs": 50,
        },
    ),
    "r50_brca_subtyping": _published(
        "ResNet-50 on TCGA-BRCA subtyping; 4 slides on each of 2 GPUs",
        _R50,
        _TCGA,
        {
            **_BRCA_TRAINING,
            "tiles_per_bag": 128,
            "low_ratio": 3,
            "batch_size": 8,
            "augment": "weak_strong",
            "crop_min": 0.08,
            "epochs": 125,
            "min_epochs": 125,
        },
    ),
    "r18_brca_survival": _published(
        "ResNet-18 on TCGA-BRCA survival; 2 patients on each of 2 GPUs",
        _R18,
        _TCGA,
        {
            **_BRCA_TRAINING,
            "attention_bias": True,
            "tiles_per_bag": 768,
            "low_ratio": 10,
            "batch_size": 4,
            "encode_chunk": 0,
            "augment": "weak",
            "crop_min": 0.08,
            "weight_decay": 5e-2,
            "epochs": 30,
            "warmup_epochs": 5,
            "min_epochs": 20,
            "ema_decay": None,
            "report_weights": "raw",
        },
        note=" For datasets with task: survival; those decide the loss",
    ),
    "mini": Preset(
        help="camelyon16-mini on two CPU cores (ours): a small encoder on 64-pixel tiles at two resolutions",
        params={
            "width": 64,
            "heads": 4,
            "optimizer": "adamw",
            "lr": 1e-3,
            "weight_decay": 1e-4,
            "schedule": "cosine",
            "epochs": 20,
            "warmup_epochs": 1,
            "patience": None,
            "min_epochs": 0,
            "batch_size": 4,
            "tiles_per_bag": 96,
            "low_ratio": 4,
            "encode_chunk": 0,
            "augment": "rotate",
            "ema_decay": None,
            "report_weights": "raw",
        },
        input={"kind": "tiles", "encoder": "conv64", "mpp": (0.5, 1.0), "tile_px": 64},
    ),
    "colon": Preset(
        help="colon-nuclei on a CPU (ours): nucleus patches at their one resolution, encoder of Ilse et al. 2018",
        params={
            "width": 128,
            "heads": 4,
            "optimizer": "adamw",
            "lr": 1e-4,
            "weight_decay": 5e-4,
            "schedule": "cosine",
            "epochs": 30,
            "warmup_epochs": 0,
            "patience": None,
            "min_epochs": 0,
            "batch_size": 2,
            "tiles_per_bag": 128,
            "low_ratio": 0,
            "encode_chunk": 0,
            "augment": "rotate",
            "ema_decay": None,
            "report_weights": "raw",
        },
        input={"kind": "tiles", "encoder": "conv27", "tile_px": 27},
    ),
}
