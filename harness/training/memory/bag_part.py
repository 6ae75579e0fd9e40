"""The peak memory of a bag network's training, estimated before it starts from the sizes of its bags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.bags.augment import Augment
from harness.training.memory.bag_passes import aggregation
from harness.training.memory.ladder import Rung
from harness.training.memory.part import MemoryPart, Step
from harness.training.memory.plan import MemoryPlan
from harness.training.mil_fit import PREDICT_BLOCK
from harness.training.sync_norm import has_batch_norm

if TYPE_CHECKING:
    from harness.bags.source import BagSource
    from harness.training.mil_fit import BagNetwork
    from harness.training.mil_params import MILParams
    from harness.training.run import Run

_STATES = {"sgd": 1, "adam": 2, "adamw": 2, "radam": 2, "lookahead_radam": 3}
"""Numbers that an optimiser keeps per weight."""

_READ_AHEAD = 3
"""Steps whose tiles are in memory beside the present one: two read ahead, one being put together."""


def largest_step(bags: BagSource, params: MILParams, devices: int = 1) -> Step:
    """The largest step that can be drawn from ``bags``; ``devices`` share it."""
    counts = sorted(((bags.count(bag), bags.ids[bag]) for bag in range(len(bags))), reverse=True)
    whole = [count for count, _ in counts]
    among = -(-params.batch_size // devices)
    largest = ([whole[0]] * among if params.balanced else whole)[:among]
    sizes = [params.tiles_per_bag or count for count in largest]
    return Step(counts[0][1], whole[0], tuple(sizes), sum(largest if params.tile_sampling == "attention" else sizes))


def largest_bag(sources: Sequence[BagSource | None]) -> int:
    """Tiles of the largest bag of them all, in its finest scale."""
    return max((bags.count(bag) for bags in sources if bags is not None for bag in range(len(bags))), default=0)


def bag_part(
    network: BagNetwork,
    params: MILParams,
    train: BagSource,
    predicted: Sequence[BagSource | None],
    run: Run,
    name: str = "train",
) -> MemoryPart:
    """The one part of a bag network's training.

    Args:
        network: the network with its first weights.
        params: hyper-parameters.
        train: training bags.
        predicted: bags that are predicted, during the training or after it.
        run: its device and the ranks that share its steps.
        name: of the part.
    """
    step = largest_step(train, params, run.ranks.world)
    px = train.scales[0].tile_px if network.encoder is not None else 0
    dim = train.dim if network.encoder is None else network.encoder.dim
    tips = []
    if network.encoder is not None and has_batch_norm(network.encoder) and not params.encode_chunk:
        tips.append("--set encode_chunk=64 --set recompute=true (batch norm then goes by chunks)")
    if params.batch_size > 1:
        tips.append("a smaller batch_size")
    if network.encoder is not None:
        tips.append("another --encoder")
    return MemoryPart(
        name=name,
        module=network,
        device=run.device,
        step=step,
        encode=None if network.encoder is None else lambda copied, tiles: copied.encoder.encode(tiles),
        head=aggregation(dim, gradient=network.encoder is not None),
        px=px,
        dim=dim,
        tiles=sum(step.sizes) if px else 0,
        states=_STATES.get(params.optimizer, 2),
        kinds=1 + (params.ema_decay is not None),
        ahead=_READ_AHEAD,
        augment=Augment(params.augment, params.encoder_px(px), params.crop_min) if px else None,
        longest=largest_bag(predicted),
        block=PREDICT_BLOCK,
        setting="tiles_per_bag",
        tips=tips,
    )


def bag_plan(
    network: BagNetwork, params: MILParams, train: BagSource, predicted: Sequence[BagSource | None], run: Run
) -> MemoryPlan:
    """The plan of a bag network's training; see :func:`bag_part`."""

    def apply(rung: Rung) -> None:
        network.chunk, network.recompute = rung.chunk, rung.recompute

    return MemoryPlan.of(
        [bag_part(network, params, train, predicted, run)],
        run,
        apply,
        encoder=network.encoder,
        chunk=network.chunk,
        recompute=network.recompute,
    )
