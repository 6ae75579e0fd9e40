"""A run that notes what its stages do to the weights."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.api.stage import Stage
from harness.training.run import Run


@dataclass
class StageNote:
    """What happened in one stage.

    Attributes:
        name: its name.
        losses: the loss of every step; empty where the stage was taken from its checkpoint.
        parameters: all parameters within the method's reach when the stage began, by name.
        held: names of those in the stage's optimisers that want a gradient.
        free: names of those of the stage's module that want a gradient and are in none of its optimisers.
        frozen: names of those that want no gradient.
        moved: names of those whose values changed.
    """

    name: str
    losses: list[float] = field(default_factory=list)
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    free: set[str] = field(default_factory=set)
    frozen: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)


@dataclass
class ObservedRun(Run):
    """A :class:`harness.Run` that notes every stage; ``method`` is the one that is trained."""

    notes: list[StageNote] = field(default_factory=list)
    method: object = None

    def train(self, stage: Stage) -> None:
        """Train as ever, and note."""
        note = _note_before(stage, self.method)
        self.notes.append(note)
        before = {name: value.detach().clone() for name, value in note.parameters.items()}
        plain = stage.loss

        def noted(batch: Any) -> Tensor | Mapping[str, Tensor]:
            loss = plain(batch)
            note.losses.append(float((loss["loss"] if isinstance(loss, Mapping) else loss).detach()))
            return loss

        stage.loss = noted
        super().train(stage)
        note.moved = {name for name, value in note.parameters.items() if not torch.equal(value.detach(), before[name])}


def _note_before(stage: Stage, holder: object) -> StageNote:
    note = StageNote(stage.name, parameters=named_parameters(holder, stage.module))
    optimised = {id(p) for optimizer in stage.optimizers for group in optimizer.param_groups for p in group["params"]}
    trained = {id(parameter) for parameter in stage.module.parameters()}
    for name, parameter in note.parameters.items():
        if not parameter.requires_grad:
            note.frozen.add(name)
        elif id(parameter) in optimised:
            note.held.add(name)
        elif id(parameter) in trained:
            note.free.add(name)
    return note


def modules_of(holder: object) -> dict[str, nn.Module]:
    """The outermost networks that a method holds, by the path of attributes that leads to each."""
    found: dict[str, nn.Module] = {}
    seen: set[int] = set()

    def look(value: object, path: str, depth: int) -> None:
        if id(value) in seen or depth > _DEPTH:
            return
        seen.add(id(value))
        if isinstance(value, nn.Module):
            found[path] = value
            return
        for key, part in _parts(value):
            look(part, f"{path}.{key}" if path else key, depth + 1)

    for key, value in vars(holder).items():
        look(value, key, 1)
    return found


_DEPTH = 4


def _parts(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        yield from ((str(key), part) for key, part in value.items())
    elif isinstance(value, list | tuple):
        yield from ((str(number), part) for number, part in enumerate(value))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from ((item.name, getattr(value, item.name, None)) for item in fields(value))


def named_parameters(holder: object, module: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters of ``module`` and of all networks that ``holder`` keeps, each once."""
    found = dict(module.named_parameters())
    known = {id(parameter) for parameter in found.values()}
    for path, network in modules_of(holder).items():
        for name, parameter in network.named_parameters():
            if id(parameter) not in known:
                found[f"{path}.{name}"] = parameter
                known.add(id(parameter))
    return found


def state_of(holder: object) -> dict[str, Tensor]:
    """A copy of all weights and buffers that a method holds."""
    return {
        f"{path}.{name}": value.detach().clone()
        for path, network in modules_of(holder).items()
        for name, value in network.state_dict().items()
    }


def restore(holder: object, state: Mapping[str, Tensor]) -> None:
    """Put a copied state back."""
    with torch.no_grad():
        for path, network in modules_of(holder).items():
            for name, value in network.state_dict().items():
                if (kept := state.get(f"{path}.{name}")) is not None:
                    value.copy_(kept)


@contextmanager
def global_randomness(seed: int) -> Iterator[None]:
    """Python's, NumPy's and torch's global generators seeded for the block, and put back after it.

    Methods must not depend on them: everything random comes from the run's seeds.
    """
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
