"""Presets of MsaMIL-Net: one after the paper as far as it can be read, and one for CPUs."""

from __future__ import annotations

from harness import Preset

PRESETS = {
    "paper_reading": Preset(
        help=(
            "the paper as far as it is known: 512-pixel tiles at 20x, 10x and 5x, EfficientNet-B3, 1024-pixel "
            "thumbnails, 200 tiles per slide and step. Learning rates, epochs and decay are ours"
        ),
        params={"seg_weights": "imagenet", "encode_chunk": 16, "recompute": True},
        input={
            "kind": "tiles",
            "encoder": "efficientnet_b3.ra2_in1k",
            "mpp": (0.5, 1.0, 2.0),
            "tile_px": 512,
        },
    ),
    "mini": Preset(
        help="camelyon16-mini on two CPU cores (ours): small networks on 64-pixel tiles and 128-pixel thumbnails",
        params={
            "thumbnail_px": 128,
            "seg_encoder": "mobilenet_v2",
            "seg_depth": 3,
            "seg_width": 8,
            "seg_lr": 2e-3,
            "seg_epochs": 10,
            "seg_patience": None,
            "width": 64,
            "token_layers": 1,
            "token_heads": 4,
            "mhe_layers": 1,
            "mhe_heads": 4,
            "rank": 16,
            "tiles_per_step": 48,
            "encode_chunk": 0,
            "recompute": False,
            "bn_calibration": 512,
            "lr": 3e-4,
            "trunk_lr": 5e-4,
            "epochs": 8,
            "warmup_epochs": 0,
            "accumulate": 4,
        },
        input={"kind": "tiles", "encoder": "conv64", "mpp": (0.5, 1.0, 2.0), "tile_px": 64},
    ),
}

SMOKE = Preset(
    help="everything as small as it gets",
    params={
        "thumbnail_px": 32,
        "seg_encoder": "mobilenet_v2",
        "seg_depth": 3,
        "seg_width": 8,
        "seg_lr": 2e-3,
        "seg_epochs": 2,
        "width": 64,
        "token_layers": 1,
        "token_heads": 2,
        "mhe_layers": 1,
        "mhe_heads": 2,
        "rank": 8,
        "queries": 3,
        "tiles_per_step": 6,
        "encode_chunk": 4,
        "epochs": 2,
        "warmup_epochs": 0,
        "accumulate": 2,
    },
    input={"tile_px": 64, "encoder": "conv64"},
)
"""For ``bench test``."""
