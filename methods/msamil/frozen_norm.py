"""Batch norms that use their stored statistics in training too; their gain and bias are trained."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def freeze_norms(network: Network) -> Network:
    """``network`` with its batch norms in evaluation mode, whatever mode the rest is in."""
    for part in network.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()
    return network
