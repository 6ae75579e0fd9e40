"""Encoding with gradient in chunks: exact, with activations of one chunk in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from harness.training.memory.state import current
from harness.training.sync_norm import has_batch_norm


def encode_in_chunks(
    encode: Callable[..., Tensor],
    tiles: Tensor,
    chunk: int,
    *,
    module: nn.Module,
    along: Sequence[Any] = (),
    recompute: bool = True,
    passes: int = 0,
) -> Tensor:
    """Features of all tiles, ``chunk`` tiles at a time, with a gradient that is exact.

    With ``recompute``, the first pass keeps nothing but the features; on the way back, each chunk is encoded a second
    time, with its graph and the random numbers of the first pass, and freed again. Activations of one chunk are all
    that is in memory, whatever the number of tiles; the price is one more forward pass. Outputs and gradients are
    those of ``recompute=False``. This is also what gradient caching needs: any loss over all features of a large batch.

    Batch norm in training mode takes its statistics over each chunk, with and without ``recompute``. Running
    statistics (and whatever other buffers ``module`` has) are updated by the first pass only.

    While a training uses a memory fallback (see ``docs/memory.md``), chunks are smaller, and recomputed, as that says.
    Batch norm in training mode keeps its chunks.

    Everything random inside ``encode`` must come from torch's global generators, or be drawn before and handed in
    through ``along``, as augmentation is::

        draw = augment.draw(len(tiles), seed)
        encode_in_chunks(
            lambda part, drawn: encoder.encode(augment.apply(part, drawn)), tiles, 512, module=encoder, along=[draw]
        )

    Args:
        encode: (n, ...) tiles and the same rows of each of ``along`` → (n, D). It may move its tiles to the device.
        tiles: (T, ...), at least one.
        chunk: tiles per pass; 0 takes all at once. The last chunk may be smaller.
        module: what ``encode`` runs; its mode must be the same on the way back.
        along: per-tile values that are cut as ``tiles`` is (``values[rows]`` for a slice of rows).
        recompute: whether to trade time for memory.
        passes: so many passes over parts of nearly equal size, whatever ``chunk`` says; 0 leaves it to ``chunk``.

    Returns:
        (T, D) features, in the order of ``tiles``.
    """
    if chunk < 0:
        raise ValueError(f"chunk must not be negative, got {chunk}")
    chunk, recompute = _with_fallback(len(tiles), chunk, recompute, module, fixed=passes > 0)
    parts = []
    for rows in _rows(len(tiles), chunk, passes):
        inputs = [values[rows] for values in (tiles, *along)]
        if recompute and torch.is_grad_enabled():
            parts.append(_twice(encode, inputs, module))
        else:
            parts.append(encode(*inputs))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _with_fallback(count: int, chunk: int, recompute: bool, module: nn.Module, *, fixed: bool) -> tuple[int, bool]:
    """Chunk and ``recompute`` under the memory fallback in effect, which takes note of what was asked for."""
    memory = current()
    if memory is None:
        return chunk, recompute
    divisible = not (fixed or has_batch_norm(module, training=True))
    if torch.is_grad_enabled():
        draws = divisible and _has_dropout(module)
        memory.use.take_in(count, chunk, divisible=divisible, recomputes=recompute, draws=draws)
    fallback = memory.fallback
    if fallback.chunk and divisible:
        chunk = min(chunk or count, fallback.chunk)
    # With all tiles in one chunk, their activations would be in memory at once all the same.
    return chunk, recompute or (fallback.recompute and 0 < chunk < count)


def _has_dropout(module: nn.Module) -> bool:
    """Whether a part of it draws at random in training (dropout, stochastic depth)."""
    parts = [part for part in module.modules() if "Drop" in type(part).__name__]
    return any(getattr(part, "p", getattr(part, "drop_prob", 1)) for part in parts)


def _rows(count: int, chunk: int, passes: int) -> list[slice]:
    """Which tiles go through the network together."""
    if passes:
        return [slice(count * k // passes, count * (k + 1) // passes) for k in range(passes)]
    step = chunk or count
    return [slice(start, start + step) for start in range(0, count, step)]


def _twice(encode: Callable[..., Tensor], inputs: Sequence[Any], module: nn.Module) -> Tensor:
    """One chunk, encoded now and once more when its gradient is asked for."""
    randomness = _Randomness(module)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return randomness.noted(), _second_pass(randomness, module)

    # The random state is kept here and not by checkpoint(), which looks for devices among the inputs and would miss
    # the encoder's when tiles are still on the CPU.
    features: Tensor = checkpoint(encode, *inputs, use_reentrant=False, context_fn=contexts, preserve_rng_state=False)
    return features


class _Randomness:
    """The state of torch's generators on the CPU and on the devices of a module."""

    def __init__(self, module: nn.Module) -> None:
        self.devices = sorted({p.device.index for p in module.parameters() if p.device.type == "cuda"})
        self._cpu = torch.empty(0)
        self._cuda: list[Tensor] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the state on entering."""
        self._cpu = torch.get_rng_state()
        self._cuda = [torch.cuda.get_rng_state(device) for device in self.devices]
        yield

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """The noted state inside the block; the state outside is not touched."""
        with torch.random.fork_rng(devices=self.devices):
            torch.set_rng_state(self._cpu)
            for device, state in zip(self.devices, self._cuda, strict=True):
                torch.cuda.set_rng_state(state, device)
            yield


@contextmanager
def _second_pass(randomness: _Randomness, module: nn.Module) -> Iterator[None]:
    with randomness.replayed(), _buffers_set_aside(module):
        yield


@contextmanager
def _buffers_set_aside(module: nn.Module) -> Iterator[None]:
    """Let the block write into copies of the module's buffers, which are thrown away."""
    own = [(part, dict(part._buffers)) for part in module.modules() if part._buffers]
    for part, buffers in own:
        part._buffers.update({name: None if value is None else value.clone() for name, value in buffers.items()})
    try:
        yield
    finally:
        for part, buffers in own:
            part._buffers.update(buffers)
