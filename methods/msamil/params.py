"""Hyper-parameters of MsaMIL-Net."""

from __future__ import annotations

from typing import ClassVar

from harness import Params, UsageError, fixed, tunable
from harness.api import SELECTING, SET, Conditions


class MsaMILParams(Params):
    """Defaults of the preset ``paper_reading``, but for published weights of the segmenter."""

    segment: bool = fixed(True, help="train the segmenter and filter tiles; false keeps all tissue tiles")
    thumbnail_px: int = fixed(1024, ge=1, source="paper", help="N, side of the thumbnail in pixels")
    seg_encoder: str = fixed("efficientnet-b3", help="encoder of UNet++, by its name in segmentation-models-pytorch")
    seg_weights: str | None = fixed(None, help="first weights of that encoder: imagenet, or none")
    seg_depth: int = fixed(5, ge=3, le=5, help="stages of that encoder that are used; N must be a multiple of 2^depth")
    seg_width: int = fixed(16, ge=1, help="channels of UNet++'s last stage; each stage before has twice as many")
    seg_lr: float = tunable(1e-4, low=1e-5, high=5e-3, log=True, gt=0, help="learning rate of stage A")
    seg_weight_decay: float = fixed(1e-4, ge=0, help="weight decay of stage A")
    seg_epochs: int = fixed(100, ge=1, help="epochs of stage A at most")
    seg_patience: int | None = fixed(10, ge=1, help="stop stage A after this many epochs without a lower loss")
    seg_batch_size: int = fixed(4, ge=1, help="thumbnails per step of stage A")
    mask_threshold: float = fixed(0.5, ge=0, lt=1, help="lesion probability from which a pixel is lesion")
    lesion_share: float = fixed(0.7, ge=0, lt=1, source="paper", help="tiles with a larger share of lesion are kept")
    fallback_top: int = fixed(12, ge=0, help="tiles per scale that are kept where no tile passes")
    fallback_share: float = fixed(0.1, ge=0, lt=1, help="least share of lesion for these")
    width: int = tunable(512, choices=(64, 128, 256, 512), ge=1, source="paper", help="d, width of the features")
    token_layers: int = fixed(2, ge=1, help="transformer layers of the extractor")
    token_heads: int = fixed(8, ge=1, help="their heads; a divisor of the width")
    mhe_layers: int = tunable(2, choices=(1, 2, 3, 4), ge=1, help="layers of the hierarchical encoder")
    mhe_heads: int = fixed(8, ge=1, help="heads of the low-rank attention; a divisor of the width")
    rank: int = tunable(32, choices=(8, 16, 32, 64), ge=1, help="r, rank of each head")
    residual: bool = fixed(True, help="residual connections in the hierarchical encoder; false is the print")
    queries: int = fixed(10, ge=1, source="paper", help="learned queries")
    dropout: float = tunable(0.1, low=0.0, high=0.5, ge=0, lt=1, help="dropout of both transformers")
    tiles_per_step: int = tunable(
        200, low=32, high=400, log=True, ge=1, source="paper", help="tiles per slide and step"
    )
    lr: float = tunable(1e-4, low=1e-5, high=2e-3, log=True, gt=0, help="learning rate of transformer and fusion")
    trunk_lr: float = tunable(
        2e-5, low=1e-6, high=2e-3, log=True, gt=0, help="learning rate of the convolutional trunk"
    )
    weight_decay: float = tunable(1e-4, low=1e-6, high=1e-1, log=True, ge=0, help="weight decay of stage B")
    epochs: int = fixed(30, ge=1, help="epochs of stage B at most")
    warmup_epochs: int = fixed(2, ge=0, help="linear warm-up of stage B")
    min_lr: float = fixed(1e-7, ge=0, help="where the cosines end")
    patience: int | None = fixed(None, ge=1, help="stop stage B after this many epochs without a better score")
    accumulate: int = fixed(8, ge=1, help="slides per update of the weights")
    clip_grad_norm: float | None = fixed(1.0, gt=0, help="largest gradient norm in stage B")
    augment: str = fixed("rotate", choices=("none", "flips", "rotate"), help="per tile; rotate: flips, quarter turns")
    class_weights: bool = fixed(True, help="weigh slides so that every class counts the same")
    encode_chunk: int = fixed(16, ge=0, help="tiles per pass through the extractor; 0 takes all")
    recompute: bool = fixed(True, help="encode each chunk twice instead of keeping activations: constant memory")
    bn_calibration: int = fixed(
        0, ge=0, help="tiles that set the batch-norm statistics before they stay fixed; 0: none"
    )

    only_with: ClassVar[Conditions] = {
        **{
            name: {"segment": SET}
            for name in (
                "thumbnail_px", "seg_encoder", "seg_weights", "seg_depth", "seg_width", "seg_lr", "seg_weight_decay",
                "seg_epochs", "seg_patience", "seg_batch_size", "mask_threshold", "lesion_share", "fallback_top",
                "fallback_share",
            )
        },
        "patience": SELECTING,
    }  # fmt: skip

    def check(self, place: str) -> None:
        """Values that make no sense together."""
        rules = {
            f"thumbnail_px must be a multiple of {2**self.seg_depth} (2 to the power of seg_depth)": (
                self.thumbnail_px % 2**self.seg_depth != 0
            ),
            "token_heads and mhe_heads must divide the width": bool(
                self.width % self.token_heads or self.width % self.mhe_heads
            ),
        }
        for rule, broken in rules.items():
            if broken:
                raise UsageError(rule, place=place, fix="change the value with --set name=value")
