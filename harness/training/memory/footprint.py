"""How much memory a network takes for a forward and a backward pass, found out without doing either.

The network is copied to torch's ``meta`` device, where tensors have shapes and no numbers: passes over any number of
tiles take milliseconds there, use no memory and draw nothing by chance. A dispatch mode adds up the bytes of all
tensors that are alive. The network itself is not touched.
"""

from __future__ import annotations

import copy
import random
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from harness.training.ranks import ALONE
from harness.training.sync_norm import SharedBatchNorm

if TYPE_CHECKING:
    from harness.training.context import Precision

META = torch.device("meta")
FEW_TILES, FEW_ROWS = 2, 512
"""Sizes of the smaller of two real passes, where a network needs numbers to run at all."""


@dataclass(frozen=True)
class Cost:
    """Bytes that a pass takes, weights, gradients of weights and the input itself left out.

    Attributes:
        kept: what waits for the backward pass.
        peak: most at any time of both passes.
    """

    kept: int
    peak: int

    def on_a_line(self, other: Cost, position: float) -> Cost:
        """The cost at ``position`` on the line through this one (0) and ``other`` (1)."""
        return Cost(
            round(self.kept + position * (other.kept - self.kept)),
            round(self.peak + position * (other.peak - self.peak)),
        )


class Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that come to life inside the block and are still alive.

    Args:
        given: tensors that do not count.

    Attributes:
        now: bytes alive.
        peak: most so far.
    """

    def __init__(self, given: Sequence[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.peak = 0
        # A storage is kept by whatever tensor looks at it; views and results in place have one that is known already.
        self._known: dict[int, Any] = {_key(tensor): tensor.untyped_storage() for tensor in given}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and take note of its results."""
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor) and value.layout == torch.strided:
                self._note(value)
        return result

    def _note(self, tensor: Tensor) -> None:
        key = _key(tensor)
        if key in self._known:
            return
        storage = tensor.untyped_storage()
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        self._known[key] = weakref.ref(storage, lambda _: self._forget(key, size))

    def _forget(self, key: int, size: int) -> None:
        self.now -= size
        del self._known[key]


class Fused(TorchFunctionMode):
    """Attention takes the memory that fused kernels take; without numbers torch would write out all weights."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Stand in for scaled dot-product attention."""
        if func is functional.scaled_dot_product_attention:
            return _Attention.apply(*args[:3])
        return func(*args, **(kwargs or {}))


class _Attention(torch.autograd.Function):
    """(..., L, E), (..., S, E), (..., S, Ev) → (..., L, Ev), the inputs and the result kept for the way back."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        result = query.new_empty((*query.shape[:-1], value.shape[-1]))
        ctx.save_for_backward(query, key, value, result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.empty_like(one) for one in ctx.saved_tensors[:3])


Way = Callable[[Any, Sequence[int], torch.device], tuple[Callable[[], Tensor], Tensor]]
"""(copy of the network, sizes, device) → what is run, and its input. What it makes for itself belongs on ``device``."""


@dataclass(frozen=True)
class Pass:
    """One way through a network, forward and, in training, backward from the sum of what it gives.

    Attributes:
        way: makes it; its result is the loss in training.
        few: sizes of the smaller of two real passes are at most this, where it needs numbers to run at all.
        lowered: whether the network in low precision is like the network under autocast. Where some operations keep
            full precision, only a real pass knows.
    """

    way: Way
    few: int
    lowered: bool = False


class Footprint:
    """The costs of a network's passes.

    Args:
        network: the network; it is copied.
        passes: ways through it, by name.
        device: where it is; real passes, where they are needed, are made there.
    """

    def __init__(self, network: nn.Module, passes: Mapping[str, Pass], device: torch.device) -> None:
        self._network = network
        self._passes = passes
        self._device = device
        self._found: dict[tuple[Any, ...], Cost] = {}

    def cost(self, name: str, sizes: Sequence[int], precision: Precision, *, train: bool) -> Cost:
        """Of pass ``name`` with inputs of these sizes."""
        key = (name, tuple(sizes), precision, train)
        if key not in self._found:
            with _undisturbed(self._device):
                self._found[key] = self._unnumbered(*key) or self._on_a_line(*key)
        return self._found[key]

    def _unnumbered(self, name: str, sizes: tuple[int, ...], precision: Precision, train: bool) -> Cost | None:
        """From a pass without numbers; None where the network's way depends on them."""
        if precision != "fp32" and not self._passes[name].lowered:
            return None  # which operations keep full precision is known to autocast alone, which needs numbers
        try:
            with Fused(), _autocast_left_out():
                return self._pass(name, sizes, precision, train, META)
        except Exception:  # whatever an operation says that misses its numbers
            return None

    def _on_a_line(self, name: str, sizes: tuple[int, ...], precision: Precision, train: bool) -> Cost:
        """From two small passes with numbers: exact for what grows with the sizes, and with nothing else."""
        few = self._passes[name].few
        small = tuple(min(size, few) for size in sizes)
        more = tuple(min(size, 2 * few) for size in sizes)
        first = self._pass(name, small, precision, train, self._device)
        if sum(more) == sum(small):
            return first
        second = self._pass(name, more, precision, train, self._device)
        return first.on_a_line(second, (sum(sizes) - sum(small)) / (sum(more) - sum(small)))

    def _pass(self, name: str, sizes: tuple[int, ...], precision: Precision, train: bool, device: torch.device) -> Cost:
        """One pass forward and, in training, backward, on a copy of the network."""
        network = _copied(self._network, device)
        network.train(train)
        way = self._passes[name].way
        low = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        if low is None or device != META:
            with nullcontext() if low is None else torch.autocast(device.type, low):
                return _observed(*way(network, sizes, device), network, train)
        # There is no autocast without numbers. What comes close is the network in low precision, and beside it the
        # copies of weights in low precision that autocast makes.
        cost = _observed(*way(network.to(low), sizes, device), network, train)
        copies = state_bytes(dict(network.named_parameters()))
        return Cost(cost.kept + copies, cost.peak + copies)


def _observed(step: Callable[[], Tensor], given: Tensor, network: nn.Module, train: bool) -> Cost:
    # Gradients of weights have their own place in the sum: here they go as soon as they are complete.
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(_drop)  # type: ignore[no-untyped-call]
    with Alive([given, *network.parameters(), *network.buffers()]) as alive, torch.set_grad_enabled(train):
        result = step()
        kept = alive.now
        if train and result.requires_grad:
            torch.autograd.backward(result.float().sum())
    return Cost(kept, alive.peak)


def _drop(parameter: Tensor) -> None:
    parameter.grad = None


def _copied(network: nn.Module, device: torch.device) -> nn.Module:
    """The network without its ranks; on ``meta`` without its numbers, which are not even copied."""
    ranks = getattr(network, "ranks", ALONE)
    memo: dict[int, Any] = {id(ranks): ALONE}
    if device == META:
        for parameter in network.parameters():
            empty = torch.empty_like(parameter, device=META)
            memo[id(parameter)] = nn.Parameter(empty, requires_grad=parameter.requires_grad)
        memo |= {id(buffer): torch.empty_like(buffer, device=META) for buffer in network.buffers()}
    result = copy.deepcopy(network, memo)
    if ranks.several:
        _plain_norms(result)
    return result


def _plain_norms(module: nn.Module) -> None:
    """Replace batch norms that wait for other ranks; a pass that only one of them makes would wait for ever."""
    for name, child in module.named_children():
        if isinstance(child, nn.SyncBatchNorm | SharedBatchNorm):
            plain = nn.BatchNorm2d(child.num_features, child.eps, child.momentum, child.affine)
            setattr(module, name, plain.to(next(child.parameters()).device))
        else:
            _plain_norms(child)


@contextmanager
def _autocast_left_out() -> Iterator[None]:
    """Let ``torch.autocast`` do nothing: it refuses the ``meta`` device, even where it is to be switched off."""
    with patch.object(torch, "autocast", lambda *_, **__: nullcontext()):
        yield


@contextmanager
def _undisturbed(device: torch.device) -> Iterator[None]:
    """Every global generator is afterwards as it was."""
    drawn, legacy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(drawn)
        np.random.set_state(legacy)


def state_bytes(values: Mapping[str, Tensor]) -> int:
    """Bytes of a state dictionary."""
    return sum(value.numel() * value.element_size() for value in values.values())


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
