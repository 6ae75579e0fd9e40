"""What DRE-SLCL takes of memory: the warm-up, the two stages with the bank, and all tiles of a slide for the bank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness import Augment, MemoryPart, MemoryPlan, Rung, Step, largest_bag
from methods.dre_slcl.contrast import info_nce
from methods.dre_slcl.feed import CALIBRATION_TILES, READ_BLOCK, predicted_chunk
from methods.dre_slcl.warm import warm_up

if TYPE_CHECKING:
    from harness import BagSource, Run, Task
    from methods.dre_slcl import DreParams
    from methods.dre_slcl.network import ContrastNet

    Way = Callable[[ContrastNet, Sequence[int], torch.device], tuple[Callable[[], Tensor], Tensor]]

_FLOAT = 4


def memory_plan(
    net: ContrastNet,
    params: DreParams,
    task: Task,
    train: BagSource,
    val: BagSource | None,
    run: Run,
    apply: Callable[[Rung], None],
) -> MemoryPlan:
    """The plan of all stages. The memory-mapped bank is not counted, nor is a large text encoder.

    Args:
        net: a network of the size of the one that will be trained.
        params, task: of the method.
        train, val: bags.
        run: the run.
        apply: sets the method to a rung.
    """
    contrast = _banked_part(net, params, train, val, run)
    parts = [contrast]
    if params.downstream != "probe":
        # The backbone of the contrast stays beside the one that is tuned.
        parts.append(replace(contrast, name="finetune", beside=(net.backbone,)))
    if params.warm_epochs:
        model = warm_up(params, task)
        found = model.memory_part(train, [val], run, "warm")
        tips = ("a smaller warm_batch", "another --encoder")
        parts.append(replace(found, setting="warm_tiles", tips=tips, taken=model.taken))
    return MemoryPlan.of(
        parts,
        run,
        apply,
        encoder=net.backbone.encoder,
        chunk=params.encode_chunk,
        recompute=params.recompute,
        fixed_norms=True,
    )


def _banked_part(net: ContrastNet, params: DreParams, train: BagSource, val: BagSource | None, run: Run) -> MemoryPart:
    """A step with fresh and stored tiles, and slides of which all tiles are encoded for bank, probe and prediction."""
    counts = sorted(((train.count(bag), train.ids[bag]) for bag in range(len(train))), reverse=True)
    largest = [count for count, _ in counts[: params.batch_size]]
    fresh = sum(min(count, params.fresh_tiles) for count in largest)
    stored = sum(min(max(0, count - params.fresh_tiles), params.stored_tiles) for count in largest)
    px, dim = train.scales[0].tile_px, net.backbone.dim
    sizes = tuple(min(count, params.fresh_tiles + params.stored_tiles) for count in largest)
    mixed = min(len(train) * max(1, CALIBRATION_TILES // len(train)), sum(count for count, _ in counts))
    on_cpu = run.device.type == "cpu"
    return MemoryPart(
        name="contrast",
        module=net,
        device=run.device,
        step=Step(counts[0][1], counts[0][0], sizes, fresh),
        encode=lambda copied, tiles: copied.backbone.features(tiles),
        head=_slides(dim),
        px=px,
        dim=dim,
        tiles=fresh,
        augment=Augment(params.augment, px),
        augments_chunks=True,
        # What is stored is read as float32, normalised and joined: on the CPU twice for a moment.
        data=(2 if on_cpu else 1) * stored * dim * _FLOAT,
        longest=largest_bag([train, val, *run.memory.predicted]),
        block=READ_BLOCK,
        # Tiles for the statistics of batch norm: read, put together, mixed.
        further=2 * mixed * 3 * px * px if on_cpu else 0,
        again=fresh,
        passes=predicted_chunk,
        setting="fresh_tiles",
        tips=(
            "a smaller stored_tiles",
            *(("a smaller batch_size",) if params.batch_size > 1 else ()),
            "another --encoder",
        ),
    )


def _slides(dim: int) -> Way:
    """Residual encoding, refinement and contrast of slides with so many tiles each."""

    def way(net: ContrastNet, sizes: Sequence[int], device: torch.device) -> tuple[Callable[[], Tensor], Tensor]:
        x = torch.zeros(sum(sizes), dim, device=device, requires_grad=net.training)
        offsets = torch.tensor([0, *torch.tensor(list(sizes)).cumsum(0).tolist()])
        positive = torch.eye(len(sizes), dtype=torch.bool, device=device)

        def step() -> Tensor:
            # Fresh and stored features are joined, and so once more in memory.
            projected, _ = net(x + 0, offsets)
            return info_nce(projected, projected.detach(), positive, 1.0) if net.training else projected

        return step, x

    return way
