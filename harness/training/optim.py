"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

WARMUP_START = 1e-6
KERAS_DECAY = 1e-4


def build_optimizer(
    name: str, parameters: Iterable[nn.Parameter], *, lr: float, weight_decay: float, weights_only: bool
) -> Optimizer:
    """An optimiser over the trainable ones of ``parameters``.

    Args:
        name: ``adam``, ``adamw`` or ``sgd`` (Nesterov momentum 0.9).
        parameters: the parameters.
        lr: learning rate.
        weight_decay: decay.
        weights_only: decay matrices and kernels only, not biases and gains (parameters of one dimension).
    """
    trainable = [p for p in parameters if p.requires_grad]
    groups: list[dict[str, Any]] = [{"params": trainable}]
    if weights_only:
        groups = [
            {"params": [p for p in trainable if p.dim() > 1]},
            {"params": [p for p in trainable if p.dim() <= 1], "weight_decay": 0.0},
        ]
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, weight_decay=weight_decay, momentum=0.9, nesterov=True)
    kind: type[torch.optim.Adam] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    return kind(groups, lr=lr, weight_decay=weight_decay)


def build_schedule(
    name: str, *, lr: float, epochs: int, steps_per_epoch: int, warmup_epochs: int = 0, min_lr: float = 0.0
) -> Callable[[float], float]:
    """The factor on the learning rate as a function of progress in epochs.

    ``cosine`` moves once per epoch from ``lr`` to ``min_lr``; warm-up is linear from 1e-6 and does not shift the
    cosine's clock. ``inverse`` moves every step: 1 / (1 + 1e-4 · step).
    """

    def factor(progress: float) -> float:
        epoch = math.floor(progress + 1e-9)
        if epoch < warmup_epochs:
            return (WARMUP_START + epoch * (lr - WARMUP_START) / warmup_epochs) / lr
        if name == "cosine":
            return (min_lr + 0.5 * (lr - min_lr) * (1 + math.cos(math.pi * epoch / epochs))) / lr
        if name == "inverse":
            return 1 / (1 + KERAS_DECAY * round(progress * steps_per_epoch))
        return 1.0

    return factor
