"""The tile encoder: an image network together with the normalisation and size that it expects."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.core.errors import UsageError

Triple = tuple[float, float, float]


class TileEncoder(nn.Module):
    """Tiles → feature vectors.

    The face is in two steps, so that augmentation can stand before them: ``preprocess`` turns tiles with values
    0..255 into what the network expects, ``forward`` runs the network. ``encode`` is both.

    Args:
        body: network, (n, 3, H, W) normalised float → (n, dim).
        name: encoder name as the user wrote it.
        dim: feature width.
        mean: per channel R, G, B on the scale 0..1.
        std: per channel R, G, B on the scale 0..1.
        input_px: the only side in pixels that the network accepts; None when it takes any.
        resize_px: side that tiles are resized to before the centre of ``input_px`` is cut out; None resizes to
            ``input_px``, so that the whole tile is seen.
        interpolation: how tiles of another side are resized, ``bilinear`` or ``bicubic``.
    """

    _scale: Tensor
    _shift: Tensor

    def __init__(
        self,
        body: nn.Module,
        *,
        name: str,
        dim: int,
        mean: Triple,
        std: Triple,
        input_px: int | None = None,
        resize_px: int | None = None,
        interpolation: str = "bilinear",
    ) -> None:
        super().__init__()
        self.body = body
        self.name = name
        self.dim = dim
        self.mean = mean
        self.std = std
        self.input_px = input_px
        self.resize_px = resize_px
        self.interpolation = "bicubic" if interpolation == "bicubic" else "bilinear"
        # Constants, not weights: they follow the device, but are neither saved, hashed nor averaged.
        std_column = torch.tensor(std, dtype=torch.float64).reshape(1, 3, 1, 1)
        mean_column = torch.tensor(mean, dtype=torch.float64).reshape(1, 3, 1, 1)
        self.register_buffer("_scale", (1 / (255 * std_column)).float(), persistent=False)
        self.register_buffer("_shift", (-mean_column / std_column).float(), persistent=False)

    def preprocess(self, tiles: Tensor) -> Tensor:
        """Tiles → normalised input of the network, on the network's device.

        Args:
            tiles: (n, 3, H, W), RGB, uint8 or float, values 0..255 either way.

        Returns:
            (n, 3, h, w) float, ``(tiles / 255 - mean) / std``, channels last in memory; h = w = ``input_px`` where
            the network needs one size (resized with antialiasing, and cut where ``resize_px`` says so), else H, W.

        Raises:
            ValueError: another shape.
        """
        if tiles.dim() != 4 or tiles.shape[1] != 3:
            raise ValueError(f"expected RGB tiles of shape (n, 3, H, W), got {tuple(tiles.shape)}")
        # Bytes travel and are reordered before they become four times as large.
        x = tiles.to(self._scale.device, non_blocking=True).contiguous(memory_format=torch.channels_last)
        x = self._resize(x.to(self._scale.dtype))
        return torch.addcmul(self._shift, x, self._scale)

    def forward(self, x: Tensor) -> Tensor:
        """Features (n, dim) of *normalised* float input, or of raw uint8 tiles, which are preprocessed first."""
        if x.dtype == torch.uint8:
            x = self.preprocess(x)
        features: Tensor = self.body(x)
        return features

    def encode(self, tiles: Tensor) -> Tensor:
        """Features (n, dim) of tiles with values 0..255, uint8 or float."""
        return self(self.preprocess(tiles))  # type: ignore[no-any-return]

    def feature_map(self, tiles: Tensor) -> Tensor:
        """What a convolutional network sees before it is pooled, (n, channels, h, w), of tiles with values 0..255.

        Raises:
            UsageError: the network has no such map (it is a transformer, or ends in fully connected layers).
        """
        features = getattr(self.body, "forward_features", None)
        found = None if features is None else features(self.preprocess(tiles))
        if not isinstance(found, Tensor) or found.dim() != 4 or getattr(self.body, "output_fmt", "NCHW") != "NCHW":
            raise UsageError(
                f"{self.name} gives no convolutional feature map",
                place="input.encoder",
                fix="take a convolutional network: conv64, or a timm name such as resnet18 or efficientnet_b3",
            )
        return found

    def _resize(self, x: Tensor) -> Tensor:
        side = self.resize_px or self.input_px
        if side is not None and x.shape[2:] != (side, side):
            x = functional.interpolate(x, (side, side), mode=self.interpolation, align_corners=False, antialias=True)
            x = x.clamp(0, 255)  # bicubic overshoots at edges
        if self.resize_px is None or self.input_px is None:
            return x
        first = (self.resize_px - self.input_px) // 2
        return x[:, :, first : first + self.input_px, first : first + self.input_px]
