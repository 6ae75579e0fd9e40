"""ResNets cut behind one of their stages."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from harness.core.errors import UsageError
from harness.encoders.names import EncoderName


class TruncatedResNet(nn.Module):
    """A timm ResNet up to stage K, then a global average pool: (n, 3, H, W) → (n, channels of stage K).

    Module names are those of the whole network, so that its weights load as they are. Cut behind stage 3, the output
    stride is 16 and a ResNet-18 / 50 has 2.78 / 8.54 million parameters (the ABMILX encoder, arXiv 2506.02408).

    Args:
        whole: the timm network; its parts are taken over.
        stage: K, 1 to 4.
    """

    def __init__(self, whole: Any, stage: int) -> None:
        super().__init__()
        self.conv1 = whole.conv1
        self.bn1 = whole.bn1
        self.act1 = whole.act1
        self.maxpool = whole.maxpool
        self.stages = tuple(f"layer{number}" for number in range(1, stage + 1))
        for name in self.stages:
            self.add_module(name, getattr(whole, name))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised tiles → pooled features of the last stage that is kept."""
        return self.forward_features(x).mean((2, 3))

    def forward_features(self, x: Tensor) -> Tensor:
        """Normalised tiles → the map of the last stage that is kept, (n, channels, h, w)."""
        x = self.maxpool(self.act1(self.bn1(self.conv1(x))))
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return x


def truncate(whole: nn.Module, name: EncoderName) -> tuple[TruncatedResNet, int]:
    """Cut ``whole`` as ``name`` asks.

    Returns:
        The cut network and its feature width.

    Raises:
        UsageError: the network is not a timm ResNet.
    """
    from timm.models.resnet import ResNet

    if not isinstance(whole, ResNet):
        raise UsageError(
            f"{name.model} cannot be cut at layer{name.stage}: only ResNets can",
            place=name.place,
            fix=f"drop @layer{name.stage}, or take a ResNet such as resnet18.tv_in1k@layer{name.stage}",
        )
    info: Any = whole.feature_info
    dim = int(info[name.stage]["num_chs"])  # entry 0 is the stem
    return TruncatedResNet(whole, name.stage), dim
