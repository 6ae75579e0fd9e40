"""What stands before and after pooling in the classical networks: a trunk of ReLU layers and a slide head."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class Trunk(nn.Sequential):
    """Fully connected ReLU layers on every tile, (T, D) → (T, ``self.dim``).

    Args:
        dim: width D of the features.
        widths: width of each layer; no layer at all leaves the features as they are.
        dropout: probability of dropping a unit.
        dropout_at: behind ``each`` layer (attention networks on the classical data sets), or behind the ``last``
            one only (MI-Net, Wang et al. 2018).
    """

    def __init__(self, dim: int, widths: Sequence[int], *, dropout: float = 0.0, dropout_at: str = "each") -> None:
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(zip((dim, *widths), widths, strict=False)):
            layers += [nn.Linear(before, after), nn.ReLU()]
            if dropout and (dropout_at == "each" or number == len(widths) - 1):
                layers.append(nn.Dropout(dropout))
        super().__init__(*layers)
        self.dim = widths[-1] if widths else dim


class SlideHead(nn.Module):
    """Linear classifier on slide vectors, (B, D) → (B, C).

    Args:
        dim: width D.
        n_classes: number of classes C.
        single_logit: for two classes, one logit z as in a Bernoulli model: the logits are (0, z), so that softmax is
            the sigmoid of z and cross-entropy its binary form. Beyond two classes it changes nothing.
    """

    def __init__(self, dim: int, n_classes: int, *, single_logit: bool = False) -> None:
        super().__init__()
        self.single = single_logit and n_classes == 2
        self.linear = nn.Linear(dim, 1 if self.single else n_classes)

    def forward(self, slides: Tensor) -> Tensor:
        """Logits (B, C) of slide vectors (B, D)."""
        logits: Tensor = self.linear(slides)
        return torch.cat([torch.zeros_like(logits), logits], 1) if self.single else logits


def initialise(module: nn.Module, how: str) -> None:
    """Draw the weights of every linear layer again from torch's generator.

    ``torch`` keeps what the layers were born with, ``glorot`` is Glorot-uniform with zero biases (the default of
    Keras), ``xavier_normal`` is its normal form with zero biases, ``orthogonal`` has zero biases, too.
    """
    if how == "torch":
        return
    draw: Callable[[Tensor], Tensor] = {
        "glorot": nn.init.xavier_uniform_,
        "xavier_normal": nn.init.xavier_normal_,
        "orthogonal": nn.init.orthogonal_,
    }[how]
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            draw(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
