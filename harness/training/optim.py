"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

WARMUP_START = 1e-6
KERAS_DECAY = 1e-4
LOOKAHEAD_SHARE, LOOKAHEAD_UPDATES = 0.5, 6


def build_optimizer(
    name: str,
    parameters: Iterable[nn.Parameter],
    *,
    lr: float,
    weight_decay: float,
    weights_only: bool,
    betas: Sequence[float] = (0.9, 0.999),
) -> Optimizer:
    """An optimiser over the trainable ones of ``parameters``.

    Args:
        name: ``adam``, ``adamw``, ``sgd`` (Nesterov momentum 0.9), ``radam`` (Liu et al. 2020, arXiv 1908.03265, with
            decoupled decay as in its authors' code), or ``lookahead_radam``: RAdam whose weights go back half way to
            those of six updates before, every six updates (Zhang et al. 2019, arXiv 1907.08610; the implementation and
            defaults of timm, where the first look back is at the weights of the sixth update).
        parameters: the parameters.
        lr: learning rate.
        weight_decay: decay.
        weights_only: decay matrices and kernels only, not biases and gains (parameters of one dimension).
        betas: decay of the two running averages of every kind but ``sgd``.
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
    first, second = betas
    if name in {"radam", "lookahead_radam"}:
        radam = torch.optim.RAdam(
            groups, lr=lr, betas=(first, second), weight_decay=weight_decay, decoupled_weight_decay=True
        )
        return radam if name == "radam" else _lookahead(radam)
    kind: type[torch.optim.Adam] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    # One call for all parameters: on bags of a few tiles, Adam written out in Python takes a third of a step.
    fused = all(p.device.type in {"cpu", "cuda"} for p in trainable)
    return kind(groups, lr=lr, betas=(first, second), weight_decay=weight_decay, fused=fused or None)


def _lookahead(optimizer: Optimizer) -> Optimizer:
    from timm.optim.lookahead import Lookahead

    wrap: Callable[..., Optimizer] = Lookahead
    return wrap(optimizer, alpha=LOOKAHEAD_SHARE, k=LOOKAHEAD_UPDATES)


def build_schedule(
    name: str,
    *,
    lr: float,
    epochs: int,
    steps_per_epoch: int,
    warmup_epochs: int = 0,
    min_lr: float = 0.0,
    drop_epochs: Sequence[int] = (),
    drop_factor: float = 1.0,
) -> Callable[[float], float]:
    """The factor on the learning rate as a function of progress in epochs.

    ``cosine`` moves once per epoch from ``lr`` to ``min_lr``; warm-up is linear from 1e-6 and does not shift the
    cosine's clock. ``inverse`` moves every step: 1 / (1 + 1e-4 · step). From each of ``drop_epochs`` (counted from 0)
    on the rate is multiplied by ``drop_factor`` once more, as torch's ``MultiStepLR`` does.
    """

    def factor(progress: float) -> float:
        epoch = math.floor(progress + 1e-9)
        drops = sum(epoch >= drop for drop in drop_epochs)
        return base(epoch, progress) * (drop_factor**drops if drops else 1.0)

    def base(epoch: int, progress: float) -> float:
        if epoch < warmup_epochs:
            return (WARMUP_START + epoch * (lr - WARMUP_START) / warmup_epochs) / lr
        if name == "cosine":
            return (min_lr + 0.5 * (lr - min_lr) * (1 + math.cos(math.pi * epoch / epochs))) / lr
        if name == "inverse":
            return 1 / (1 + KERAS_DECAY * round(progress * steps_per_epoch))
        return 1.0

    return factor
