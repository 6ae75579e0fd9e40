"""Small convolutional encoder for 64 x 64 H&E tiles, quick to train from scratch on a CPU."""

from __future__ import annotations

from torch import Tensor, nn

DIM = 96

# (input channels, output channels, kernel, stride)
_LAYERS = ((3, 16, 3, 2), (16, 32, 3, 2), (32, 64, 3, 2), (64, DIM, 3, 1))


class Conv64(nn.Module):
    """Four convolutions with batch norm and a global average pool: 64 x 64 tiles → 96 features. Our own design.

    Every layer but the last halves the side, so that each costs about a million multiplications per tile; the last,
    which has the widest view, costs three. A unit of the last layer sees 31 x 31 pixels on an 8-pixel grid: a
    nucleus of 8 to 24 pixels with its surroundings. The average pool then counts what was seen, which is what
    nuclear density is. Any side from 32 pixels works.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels_in, channels_out, kernel, stride in _LAYERS:
            # The batch norm behind it has the bias.
            conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            layers += [conv, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, H, W) normalised → (n, 96)."""
        return self.forward_features(x).mean((2, 3))

    def forward_features(self, x: Tensor) -> Tensor:
        """(n, 3, H, W) normalised → (n, 96, H / 8, W / 8), before the pool."""
        features: Tensor = self.layers(x)
        return features
