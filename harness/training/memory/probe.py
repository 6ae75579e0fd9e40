"""One real training step before a stage is trained, to see whether it fits into memory; it leaves no trace."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from harness.training.memory.state import amount
from harness.training.memory.watch import MemoryWatch, is_out_of_memory, release
from harness.training.sync_norm import has_batch_norm
from harness.training.watching import generators_restored

if TYPE_CHECKING:
    from harness.api.stage import Stage
    from harness.training.context import Context

PER_INPUT = 1000
"""Most bytes of activations per byte of input that is reckoned with when a probe is skipped. ResNet-50 stores about 100
MB for a tile of 150 kB, vision transformers as much; aggregators on features stay far below."""

PER_WEIGHT = 8
"""Bytes per byte of weights that is reckoned with: gradients, the optimiser's state, averages, the best weights."""


def keep_within_memory(
    stage: Stage, first: Any, step: Callable[[Any], None], restored: Callable[[], Any], run: Context
) -> None:
    """Find the first memory fallback with which a step of ``stage`` fits, by trying; ``run`` uses it from then on.

    The step is on the largest batch, where ``stage.batches`` has a method ``largest()``, and else on the first batch.

    A probe costs two training steps. It is skipped on a CPU without a limit if the batch and the weights are so small
    that no network could come near to what is available (:data:`PER_INPUT`, :data:`PER_WEIGHT`): so trainings of
    milliseconds stay what they are. It is skipped as well where several devices share the statistics of batch norm,
    since one that fails amid a step leaves the others waiting.

    Args:
        stage: about to be trained, or continued.
        first: its next batch.
        step: trains on a batch.
        restored: a function that notes the state of what is trained beside the module, and returns what restores it.
        run: its memory says what there is, and what was found.

    Raises:
        MethodError: it does not fit with any of them; it names the largest slide.
    """
    memory, ranks = run.memory, run.ranks
    room = memory.begin(run.device)
    largest = getattr(stage.batches, "largest", None)
    batch = first if largest is None else largest()
    wanted = memory.limit is not None or run.device.type == "cuda" or _could_matter(stage.module, batch, room)
    if ranks.several:
        wanted = bool(ranks.largest(int(wanted))[0]) and not has_batch_norm(stage.module)
    while wanted:
        peak, fits = _tried(stage, batch, step, restored, run)
        if not ranks.largest(int(not fits))[0]:
            memory.note(peak, stage.name)
            return
        memory.least = min(peak, memory.least or peak)
        place = f"{run.label}, stage {stage.name}".removeprefix(", ")
        run.fall_back(f"a training step takes more than the {amount(room)} available", place=place)


def _tried(
    stage: Stage, batch: Any, step: Callable[[Any], None], restored: Callable[[], Any], run: Context
) -> tuple[int, bool]:
    """Bytes at the peak of a step, and whether it fits."""
    run.meter.note_gpu()
    release()
    with run.memory.watched(run.device) as watch, generators_restored(run.device), _untouched(stage, restored):
        fits = _fits(batch, step, watch)
        peak = watch.peak
        if not fits:
            release()
    return peak, fits


def _fits(batch: Any, step: Callable[[Any], None], watch: MemoryWatch) -> bool:
    try:
        step(batch)  # gives the optimiser its state, with which the second step is like all later ones
        step(batch)
        watch.check()
    except Exception as error:
        # Not handled here any further: the error holds on to everything in the frames that it came through.
        if not is_out_of_memory(error):
            raise
        return False
    return True


@contextmanager
def _untouched(stage: Stage, restored: Callable[[], Any]) -> Iterator[None]:
    """Afterwards weights, buffers, gradients, optimisers and the extra_state are as before, bit for bit.

    Copies lie in main memory. On a CPU they are measured along with the step; a training has a copy of the weights as
    well, those of the best epoch.
    """
    module = stage.module
    tensors = {id(value): value for value in (*module.parameters(), *module.buffers())}.values()
    saved = [(value, value.detach().to("cpu", copy=True)) for value in tensors]
    buffers = [(part, dict(part._buffers)) for part in module.modules() if part._buffers]
    trained = [p for one in stage.optimizers for group in one.param_groups for p in group["params"]]
    gradients = [(p, p.grad) for p in {id(p): p for p in (*module.parameters(), *trained)}.values()]
    optimizers = [(one, _copied(one.state_dict())) for one in stage.optimizers]
    extra_state = None if stage.extra_state is None else stage.extra_state.state_dict()
    restore = restored()
    try:
        yield
    finally:
        for part, values in buffers:
            part._buffers.update(values)
        with torch.no_grad():
            for value, copy in saved:
                value.copy_(copy)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for optimizer, state in optimizers:
            optimizer.load_state_dict(state)
        if stage.extra_state is not None and extra_state is not None:
            stage.extra_state.load_state_dict(extra_state)
        restore()


def _copied(value: Any) -> Any:
    """``value`` with tensors copied to main memory; containers are new."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {name: _copied(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_copied, value))
    return value


def _could_matter(module: nn.Module, batch: Any, room: int) -> bool:
    weights = sum(value.nbytes for value in module.parameters())
    return PER_INPUT * _input_bytes(batch) + PER_WEIGHT * weights > room


def _input_bytes(batch: Any) -> int:
    """Bytes of all tensors and arrays in a batch, whatever it is made of."""
    if hasattr(batch, "nbytes"):
        return int(batch.nbytes)
    if dataclasses.is_dataclass(batch):
        return sum(_input_bytes(getattr(batch, part.name)) for part in dataclasses.fields(batch))
    if isinstance(batch, Mapping):
        return sum(map(_input_bytes, batch.values()))
    return sum(map(_input_bytes, batch)) if isinstance(batch, (list, tuple)) else 0
