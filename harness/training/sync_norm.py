"""Batch norm over the tiles of all ranks together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from harness.core.errors import UsageError
from harness.training.ranks import Ranks

_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def has_batch_norm(module: nn.Module, *, training: bool = False) -> bool:
    """Whether a part of ``module`` is batch norm; with ``training`` one that takes its statistics over the batch."""
    return any(isinstance(part, _BatchNorm) and (part.training or not training) for part in module.modules())


def synchronised(module: nn.Module, ranks: Ranks, device: torch.device) -> nn.Module:
    """``module`` with every batch norm taking its statistics over all ranks; names of weights stay the same.

    On GPUs these are torch's and timm's own synchronised layers, which do not exist for processors; there the same is
    computed by :class:`SharedBatchNorm`.

    Raises:
        UsageError: on processors, a kind of batch norm that is not torch's own.
    """
    if not ranks.several or not has_batch_norm(module):
        return module
    if device.type == "cuda":
        from timm.layers.norm_act import convert_sync_batchnorm

        convert: Callable[[nn.Module], nn.Module] = convert_sync_batchnorm
        return convert(module)
    return _shared(module, ranks)


def _shared(module: nn.Module, ranks: Ranks) -> nn.Module:
    if isinstance(module, _BatchNorm):
        if type(module) not in _PLAIN:
            raise UsageError(
                f"{type(module).__name__} cannot be synchronised between processors",
                place="--devices",
                fix="use --device cuda, --devices 1, or an encoder with plain batch norm or none",
            )
        return SharedBatchNorm(module, ranks)
    for name, child in module.named_children():
        setattr(module, name, _shared(child, ranks))
    return module


class SharedBatchNorm(_BatchNorm):
    """Batch norm of (n, C, ...) whose mean and variance are those of all ranks' rows.

    ``y = (x - mean) / sqrt(var + eps) · weight + bias`` with the statistics of the union of all ranks' inputs, and a
    gradient that goes through them. Ranks may have different numbers of rows. Each rank must call it as often.

    Args:
        plain: the layer that it stands for, whose weights and statistics it takes over.
        ranks: whose inputs count.
    """

    def __init__(self, plain: _BatchNorm, ranks: Ranks) -> None:
        super().__init__(plain.num_features, plain.eps, plain.momentum, plain.affine, plain.track_running_stats)
        self.weight, self.bias = plain.weight, plain.bias
        self.running_mean, self.running_var = plain.running_mean, plain.running_var
        self.num_batches_tracked = plain.num_batches_tracked
        self.training = plain.training
        self._ranks = ranks

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected (n, C, ...), got {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """Normalised input, of the same shape and kind."""
        if not (self.training or self.running_mean is None):
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        rows = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        count = x.new_tensor([x.numel() / x.shape[1]])
        sums: Tensor = _Total.apply(torch.cat([x.sum(rows), count]), self._ranks)
        mean, total = sums[:-1] / sums[-1].detach(), float(sums[-1].detach())
        centred = x - mean.reshape(shape)
        squares: Tensor = _Total.apply(centred.square().sum(rows), self._ranks)
        var = squares / total
        self._note(mean.detach(), var.detach() * total / max(total - 1, 1))
        result: Tensor = centred * (var + self.eps).rsqrt().reshape(shape)
        if self.weight is not None:
            result = result * self.weight.reshape(shape) + self.bias.reshape(shape)
        return result.to(input.dtype)

    @torch.no_grad()
    def _note(self, mean: Tensor, var: Tensor) -> None:
        """Move the running statistics; ``var`` is the unbiased estimate, as in torch."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(var, share)


class _Total(torch.autograd.Function):
    """Sum over the ranks. The loss of all is the sum of each one's, so gradients are summed likewise."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        total: Tensor = ranks.total(values)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total: Tensor = ctx.ranks.total(gradients[0])
        return total, None
