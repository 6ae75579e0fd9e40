"""A training whose memory can be estimated: its parts, and the ways to train that take less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from harness.training.context import Context
from harness.training.memory.ladder import AS_ASKED, Rung, ladder
from harness.training.memory.part import Estimate, MemoryPart


@dataclass(frozen=True)
class MemoryPlan:
    """A training whose memory can be estimated.

    Attributes:
        parts: what it does, one after another; the peak is that of the largest.
        rungs: the ways to train, the one that was asked for first.
        apply: sets the training to one of them, but for the run's precision.
    """

    parts: Sequence[MemoryPart]
    rungs: Sequence[Rung]
    apply: Callable[[Rung], None]

    @classmethod
    def of(
        cls,
        parts: Sequence[MemoryPart],
        run: Context,
        apply: Callable[[Rung], None],
        *,
        encoder: nn.Module | None,
        chunk: int = 0,
        recompute: bool = False,
        most: int = 0,
        fixed_norms: bool = False,
    ) -> MemoryPlan:
        """The plan with the ladder of :func:`harness.training.memory.ladder.ladder`.

        Args:
            parts: see the class.
            run: gives the precision that is asked for, and the device.
            apply: see the class.
            encoder: what is trained on tiles; None for features.
            chunk, recompute: as asked.
            most: tiles that go through it at once, where that is more than those of the parts' steps.
            fixed_norms: whether its batch norms keep their statistics, so that chunks change nothing.
        """
        run.memory.asked = run.memory.asked or run.precision
        asked = Rung(AS_ASKED, chunk, recompute, run.memory.asked)
        bf16 = run.device.type == "cpu" or torch.cuda.is_bf16_supported()
        tiles = max([most, *(part.tiles or sum(part.step.sizes) for part in parts)])
        return cls(parts, ladder(asked, tiles, encoder, bf16=bf16, fixed_norms=fixed_norms), apply)

    def largest(self, rung: Rung) -> tuple[MemoryPart, Estimate]:
        """The part that takes most if all of them are trained in this way, and what it takes."""
        found = [(part, part(rung)) for part in self.parts]
        return max(found, key=lambda one: one[1].total)

    @property
    def held(self) -> int:
        """Bytes of weights that are estimated, and in memory already."""
        modules = [module for part in self.parts for module in (part.module, *part.beside)]
        tensors = {value.data_ptr(): value for module in modules for value in module.state_dict().values()}
        return sum(value.numel() * value.element_size() for value in tensors.values())
