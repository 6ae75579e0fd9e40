"""Presets of ABMILX: the published configurations, end to end and on features, and two for CPUs.

Values of the published ones: the released configurations, on top of the defaults of ``options.py``, and the README's
commands with two GPUs. What differs, and why, is in ``open_points`` of the card.

Tiles are read at 256 pixels. In training, a random crop of each is resized to the encoder's 224 pixels; in evaluation
the whole tile is. Batch norm is synchronised over the two GPUs, so the statistics of the BRCA subtyping configurations,
whose encoder takes 512 tiles at a time on each, are those of 1,024 tiles.
"""

from __future__ import annotations

from typing import Any

from harness import Preset, PublishedInput

REPOSITORY, COMMIT = "DearCaat/E2E-WSI-ABMILX", "4ce524e7e2cee7ce57bbb363e1083d76b4b595a0"
_PANDA, _TCGA = (0.48, 0.96), (1.0, 2.0)
_R18, _R50 = "resnet18.tv_in1k@layer3", "resnet50.tv2_in1k@layer3"


def _published(
    name: str, what: str, encoder: str, mpp: tuple[float, float], params: dict[str, Any], *, note: str = ""
) -> Preset:
    return Preset(
        help=f"published configuration (code): {what}.{note}",
        params={"act": "gelu", "norm": "ln", "bias": False, "attention_bias": False, "attention_plus": "learned"}
        | {"dropout": 0.25, "schedule": "cosine", "min_lr": 1e-7, "crop_px": 224, **params},
        input={"kind": "tiles", "encoder": encoder, "mpp": mpp, "tile_px": 256},
        repository=REPOSITORY,
        commit=COMMIT,
        file=f"config/e2e/{name}.yaml",
    )


_LEVELS = " Its '40x' is level 0, which is 0.48 microns per pixel; the epoch is chosen by macro accuracy"
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
    "select_metric": "balanced_accuracy",
    "ema_decay": 0.9999,
    "report_weights": "ema",
}
_BRCA_TRAINING: dict[str, Any] = {
    "width": 256,
    "heads": 8,
    "ffn": False,
    "encode_chunk": 1024,
    "optimizer": "adamw",
    "lr": 8e-5,
    "weight_decay": 0.0,
    "warmup_epochs": 10,
    "patience": 10,
    "ema_decay": 0.9997,
    "report_weights": "ema",
}


def _on_features(name: str, what: str, params: dict[str, Any], *, note: str = "") -> Preset:
    return Preset(
        help=f"published configuration (code): {what}, one slide per step. Attention plus and the biases of the "
        f"attention network are as in the README's two-stage example.{note}",
        params={"norm": "none", "bias": True, "attention_bias": True, "attention_plus": "learned", "ffn": False}
        | {"width": 512, "heads": 8, "dropout": 0.25, "optimizer": "adamw", "lr": 1e-4, "weight_decay": 0.0}
        | {"schedule": "cosine", "min_lr": 1e-7, "warmup_epochs": 0, "batch_size": 1, **params},
        input={"kind": "features"},
        repository=REPOSITORY,
        commit=COMMIT,
        file=f"config/feat/{name}.yaml",
    )


HEAD_PRESETS = {
    "fm_panda": _on_features(
        "fm_panda",
        "features of foundation models on PANDA",
        {"act": "relu", "epochs": 200, "patience": 20, "min_epochs": 102, "select_metric": "balanced_accuracy"},
        note=" The epoch is chosen by macro accuracy",
    ),
    "fm_subtyping": _on_features(
        "fm_subtyping",
        "features of foundation models on TCGA subtyping (BRCA, NSCLC)",
        {"act": "relu", "epochs": 75, "patience": 20, "min_epochs": 77, "select_metric": "auc"},
    ),
    "fm_survival": _on_features(
        "fm_survival",
        "features of foundation models on TCGA survival",
        {"act": "gelu", "epochs": 30, "patience": 10, "min_epochs": 32},
        note=" For datasets with task: survival; those decide the loss",
    ),
}
"""The released configurations for frozen features, of ``abmilx_head``."""

PRESETS = {
    "r18_panda": _published(
        "r18_panda",
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
            "min_epochs": 122,
        },
        note=_LEVELS,
    ),
    "r50_panda": _published(
        "r50_panda",
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
            "min_epochs": 202,
        },
        note=_LEVELS,
    ),
    "r18_brca_subtyping": _published(
        "r18_brca_subtyping",
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
            "min_epochs": 52,
            "select_metric": "auc",
        },
    ),
    "r50_brca_subtyping": _published(
        "r50_brca_subtyping",
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
            "min_epochs": 127,
            "select_metric": "auc",
        },
    ),
    "r18_brca_survival": _published(
        "r18_brca_survival",
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
            "min_epochs": 22,
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

PUBLISHED_INPUTS = tuple(
    PublishedInput.of(
        PRESETS[name].input,
        source="arXiv 2506.02408, implementation details; github.com/DearCaat/E2E-WSI-ABMILX at 4ce524e: README.md "
        f"(data preparation) and config/e2e/{name}.yaml",
    )
    for name in ("r18_brca_subtyping", "r50_brca_subtyping", "r18_panda", "r50_panda")
)
