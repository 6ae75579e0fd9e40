"""What ICMIL takes of memory: the warm-up, the embedding, the bag models on features, and the distillation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness import EncodedBags, MemoryPart, MemoryPlan, Step, TileEncoder, largest_bag
from methods.icmil.bag_models import Teacher
from methods.icmil.distil import Student, view
from methods.icmil.losses import coupling_losses

if TYPE_CHECKING:
    from harness import Aggregator, BagSource
    from methods.icmil.building import Building
    from methods.icmil.params import ICMILParams

_READ_AHEAD = 3
"""Blocks of tiles in memory beside the one that is embedded."""


def memory_plan(building: Building, train: BagSource, val: BagSource | None) -> MemoryPlan:
    """The plan of all rounds; the last of them has the embedders of all before it in memory."""
    params, run = building.params, building.run
    parts = []
    if params.warm_epochs:
        warm = building.warm_model()
        found = warm.memory_part(train, [val], run, "warm")
        # The batch size and the encoder are advised by other names, and chunks are no setting of the method.
        parts.append(replace(found, setting="warm_tiles", tips=("a smaller warm_batch", "another --encoder")))
        assert warm.network.encoder is not None
        embedder = warm.network.encoder
    else:
        embedder = building.first_embedder
    before = [embedder] * max(1, params.iterations)
    sources = [train, val, *run.memory.predicted]
    bags = building.bag_model(params.epochs)
    embedded = [None if source is None else EncodedBags(source, embedder, run) for source in sources]
    assert embedded[0] is not None
    bag = bags.memory_part(embedded[0], embedded[1:], run, "bag")
    parts += [replace(bag, setting="", beside=[embedder, *before]), _embed_part(building, embedder, sources, bag.step)]
    if params.iterations:
        parts.append(_distil_part(building, embedder, bags.network.aggregator, before, bag.step, train, val))
    return MemoryPlan.of(parts, run, building.apply, encoder=embedder, most=params.embed_batch)


def _embed_part(
    building: Building, embedder: TileEncoder, sources: Sequence[BagSource | None], step: Step
) -> MemoryPart:
    params, px = building.params, building.tile_px
    on_cpu = building.run.device.type == "cpu"
    return MemoryPart(
        name="embed",
        module=embedder,
        device=building.run.device,
        step=step,
        encode=lambda copied, tiles: copied.encode(tiles),
        px=px,
        dim=embedder.dim,
        states=None,
        beside=[embedder] * params.iterations,
        longest=largest_bag(sources),
        block=params.embed_batch,
        further=_READ_AHEAD * params.embed_batch * 3 * px * px if on_cpu else 0,
        tips=("a smaller embed_batch", "another --encoder"),
    )


def _distil_part(
    building: Building,
    embedder: TileEncoder,
    aggregator: Aggregator,
    before: Sequence[TileEncoder],
    step: Step,
    train: BagSource,
    val: BagSource | None,
) -> MemoryPart:
    params, px = building.params, building.tile_px
    teacher = Teacher.of(aggregator, mix=params.confidence)
    drawn = min(params.distil_batch, sum(train.count(bag) for bag in range(len(train))))
    compared = 0 if val is None else sum(val.count(bag) for bag in range(len(val)))
    compared = min(params.embed_batch, params.distil_val_tiles, compared)
    return MemoryPart(
        name="distil",
        module=Student(embedder, teacher),
        device=building.run.device,
        step=Step(step.slide, step.tiles, (drawn,), drawn),
        encode=lambda copied, tiles: copied.embedder.encode(tiles),
        head=_heads(params, embedder.dim),
        px=px,
        dim=embedder.dim,
        tiles=drawn,
        beside=[*before, aggregator, teacher.reducer, teacher.classifier, *teacher.scores],
        augment=view(params, px),
        augments_predicted=True,
        longest=compared,
        block=params.embed_batch,
        setting="distil_batch",
        tips=("another --encoder",),
    )


def _heads(
    params: ICMILParams, dim: int
) -> Callable[[Student, Sequence[int], torch.device], tuple[Callable[[], Tensor], Tensor]]:
    """Both heads, and the losses; a teacher's head takes what the student's does."""

    def way(student: Student, sizes: Sequence[int], device: torch.device) -> tuple[Callable[[], Tensor], Tensor]:
        x = torch.zeros(sum(sizes), dim, device=device, requires_grad=student.training)

        def step() -> Tensor:
            if not student.training:
                return student.heads(x)[1]
            with torch.no_grad():
                hidden, logits = student.heads(x)
            tied_hidden, tied_logits = student.heads(x.detach())
            return coupling_losses(
                teacher_hidden=hidden,
                teacher_logits=logits,
                student_logits=student.heads(x)[1],
                tied_hidden=tied_hidden,
                tied_logits=tied_logits,
                alpha=params.alpha,
                reduction=params.kl_reduction,
            ).loss

        return step, x

    return way
