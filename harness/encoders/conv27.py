"""Small convolutional encoder for 27 x 27 nucleus patches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.encoders.names import CONV27_PX

SIDE = CONV27_PX
DIM = 512


class Conv27(nn.Module):
    """The colon-cancer network of attention MIL up to its attention: 27 x 27 tiles → 512 features.

    ``conv 4x4x36, ReLU, max pool 2, conv 3x3x48, ReLU, max pool 2, (FC 512, ReLU, dropout) x 2``, after Ilse et al.,
    "Attention-based Deep Multiple Instance Learning" (ICML 2018), colon cancer. Without padding the sides are
    27 → 24 → 12 → 10 → 5. Weights are Glorot-uniform, biases zero; dropout 0.5 is our reading of an open point.

    Args:
        dropout: probability behind each of the two fully connected layers.
    """

    def __init__(self, dropout: float = 0.5) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(3, 36, 4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(36, 48, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.fc = nn.Sequential(
            nn.Linear(48 * 5 * 5, DIM),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(DIM, DIM),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, 27, 27) normalised → (n, 512).

        Raises:
            ValueError: tiles of another side.
        """
        if x.shape[2:] != (SIDE, SIDE):
            raise ValueError(f"conv27 takes tiles of {SIDE} x {SIDE} pixels, got {x.shape[2]} x {x.shape[3]}")
        features: Tensor = self.fc(torch.flatten(self.conv(x), 1))
        return features
