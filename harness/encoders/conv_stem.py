"""The first layers of CTransPath: convolutions in the place of Swin's patch embedding."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class ConvStem(nn.Module):
    """(n, 3, H, W) → (n, H / 4, W / 4, width): two convolutions of stride 2 with batch norm and ReLU, and one of 1 x 1.

    After Wang et al., "Transformer-based unsupervised contrastive learning for histopathological image classification"
    (Medical Image Analysis 2022). It stands where timm's Swin has its ``embed_layer``, and its entries have the names
    of the published weights.

    Args:
        img_size: side of the input, or both sides.
        patch_size: 4.
        in_chans: channels of the input.
        embed_dim: width.
        norm_layer: layer norm behind the last convolution.
    """

    def __init__(
        self,
        img_size: int | tuple[int, int] = 224,
        patch_size: int = 4,
        in_chans: int = 3,
        embed_dim: int = 96,
        norm_layer: Any = None,
        **unused: Any,
    ) -> None:
        super().__init__()
        if patch_size != 4:
            raise ValueError(f"the stem divides the side by 4, not by {patch_size}")
        self.img_size = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.patch_size = (patch_size, patch_size)
        self.grid_size = (self.img_size[0] // 4, self.img_size[1] // 4)
        self.num_patches = self.grid_size[0] * self.grid_size[1]
        layers: list[nn.Module] = []
        width = embed_dim // 8
        for channels in (in_chans, width):
            out = width if channels == in_chans else 2 * width
            layers += [nn.Conv2d(channels, out, 3, 2, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
        self.proj = nn.Sequential(*layers, nn.Conv2d(2 * width, embed_dim, 1))
        self.norm = nn.Identity() if norm_layer is None else norm_layer(embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        features: Tensor = self.norm(self.proj(x).permute(0, 2, 3, 1))
        return features
