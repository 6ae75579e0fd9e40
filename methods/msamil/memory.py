"""What MsaMIL-Net takes of memory: the segmenter's training, and that of the bag network on all tiles at worst."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness import Augment, MemoryPart, MemoryPlan, Rung, Step
from methods.msamil.bag_stage import READ_BLOCK
from methods.msamil.network import Places
from methods.msamil.segmenter import BLOCK, segmentation_loss

if TYPE_CHECKING:
    from harness import BagSource, Run
    from methods.msamil.network import MsaMILNet
    from methods.msamil.params import MsaMILParams
    from methods.msamil.segmenter import Outlined, Segmenter

_AHEAD = 2
"""Slides whose tiles are in memory beside the present one's: one read ahead, and once more while it is put together."""

_SCORED = 16
"""Bytes per pixel of all validation thumbnails: logits, probabilities, and masks as numbers."""


def memory_plan(
    network: MsaMILNet,
    segmenter: Segmenter | None,
    params: MsaMILParams,
    train: BagSource,
    val: BagSource | None,
    outlined: Sequence[Outlined | None],
    run: Run,
) -> MemoryPlan:
    """The plan of all stages. Which tiles are kept is not known before the segmenter is trained: all of them, at worst.

    Args:
        network, segmenter: with their first weights; no segmenter where there are no masks.
        params: hyper-parameters.
        train, val: bags.
        outlined: thumbnails of training and validation slides, which stay in memory.
        run: the run.
    """
    step = _largest_step(train, params.tiles_per_step)
    bag = _bag_part(network, segmenter, params, train, [val, *run.memory.predicted], step, run)
    parts = [bag] if segmenter is None else [_segment_part(segmenter, network, params, outlined, step, run), bag]

    def apply(rung: Rung) -> None:
        network.extractor.chunk, network.extractor.recompute = rung.chunk, rung.recompute

    return MemoryPlan.of(
        parts,
        run,
        apply,
        encoder=network.extractor,
        chunk=params.encode_chunk,
        recompute=params.recompute,
        fixed_norms=True,
    )


def _count(bags: BagSource, bag: int) -> int:
    """Tiles of all scales."""
    return sum(bags.count(bag, scale) for scale in range(len(bags.scales)))


def _largest_step(train: BagSource, wanted: int) -> Step:
    tiles, slide = max((_count(train, bag), train.ids[bag]) for bag in range(len(train)))
    drawn = min(wanted, tiles)
    return Step(slide, tiles, (drawn,), drawn)


def _bag_part(
    network: MsaMILNet,
    segmenter: Segmenter | None,
    params: MsaMILParams,
    train: BagSource,
    predicted: Sequence[BagSource | None],
    step: Step,
    run: Run,
) -> MemoryPart:
    px, tiles = train.scales[0].tile_px, sum(step.sizes)
    # Tiles for the statistics of batch norm are read slide by slide, put together and mixed, before the first step.
    calibration = 2 * params.bn_calibration * 3 * px * px
    return MemoryPart(
        name="train",
        module=network,
        device=run.device,
        step=step,
        encode=lambda copied, part: copied.extractor(part),
        head=_fusion(params.width),
        px=px,
        dim=params.width,
        tiles=tiles,
        beside=() if segmenter is None else (segmenter,),
        ahead=_AHEAD,
        augment=None if params.augment == "none" else Augment(params.augment, px),
        augments_chunks=True,
        longest=max(
            (_count(bags, bag) for bags in predicted if bags is not None for bag in range(len(bags))), default=0
        )
        or min(READ_BLOCK, params.bn_calibration),
        block=READ_BLOCK,
        further=calibration if run.device.type == "cpu" else 0,
        setting="tiles_per_step",
        tips=("a smaller encode_chunk with recompute=true", "another --encoder"),
    )


def _fusion(
    width: int,
) -> Callable[[MsaMILNet, Sequence[int], torch.device], tuple[Callable[[], Tensor], Tensor]]:
    """IAAM and head on the features of one bag."""

    def way(network: MsaMILNet, sizes: Sequence[int], device: torch.device) -> tuple[Callable[[], Tensor], Tensor]:
        count = sum(sizes)
        x = torch.zeros(count, width, device=device, requires_grad=network.training)
        places = Places(torch.zeros(count, 3, device=device), torch.arange(count, device=device), True)

        def step() -> Tensor:
            with device:
                return network.fuse(x, places)[0]

        return step, x

    return way


def _segment_part(
    segmenter: Segmenter,
    network: MsaMILNet,
    params: MsaMILParams,
    outlined: Sequence[Outlined | None],
    step: Step,
    run: Run,
) -> MemoryPart:
    """Thumbnails in place of tiles; their number and side are settings, and no rung but bf16 changes anything."""
    side, size = params.thumbnail_px, min(params.seg_batch_size, len(outlined[0] or ()))
    known = [0 if one is None else len(one) for one in outlined]
    on_cpu = run.device.type == "cpu"
    masks = 4 * size * side * side
    staying = 4 * sum(known) * side * side if on_cpu else 0
    return MemoryPart(
        name="segment",
        module=segmenter,
        device=run.device,
        step=Step(step.slide, step.tiles, (size,), size),
        encode=_segmentation,
        px=side,
        tiles=size,
        beside=(network,),
        ahead=1,
        augment=Augment("rotate", side),
        data=staying + 2 * masks,
        longest=BLOCK if known[-1] else 0,
        block=BLOCK,
        further=staying + (_SCORED * known[-1] * side * side if on_cpu else 0),
        taken=lambda rung: Rung(rung.number, 0, False, rung.precision),
        setting="seg_batch_size" if params.seg_batch_size > 1 else "",
        tips=("a smaller thumbnail_px", "segment=false (no filter)"),
    )


def _segmentation(segmenter: Segmenter, thumbnails: Tensor) -> Tensor:
    logits = segmenter(thumbnails)
    return segmentation_loss(logits, torch.zeros_like(logits)) if segmenter.training else logits
