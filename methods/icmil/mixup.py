"""Pseudo-bag mix-up: the journal version trains its bag models on two slides at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from harness import Aggregator, PackedBags, Stage
from harness.api import pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness import BagSource, Run
    from methods.icmil.params import ICMILParams


@dataclass(frozen=True)
class MixedBag:
    """One bag with two labels.

    Attributes:
        bag: a batch of this one bag, with the label of the first slide.
        other: label of the second slide, (1,).
        share: λ, how much the first label counts.
    """

    bag: PackedBags
    other: Tensor
    share: float


@dataclass(frozen=True)
class MixedBags:
    """Bags mixed from two slides each; see :func:`with_mixup`. A bag is a function of (seed, epoch, step) alone.

    Attributes:
        source: feature bags with labels.
        stage: part of every seed.
        params: ``mixup_slides``, ``mixup_parts``, ``mixup_alpha`` and ``mixup_chance``.
        run: gives seeds and device.
    """

    source: BagSource
    stage: str
    params: ICMILParams
    run: Run

    def __call__(self, epoch: int, start: int) -> Iterator[MixedBag]:
        """The bags of ``epoch`` from step ``start`` on: every slide is the first of one of them."""
        order = self.run.seeds.numpy("order", self.stage, epoch).permutation(len(self.source))
        size = self.params.mixup_slides
        for step in range(start, len(order)):
            group = order[step // size * size : step // size * size + size]
            draw = self.run.seeds.numpy("sample", self.stage, epoch, "group", step // size)
            # One share and one pairing for the whole group; a slide may be its own partner.
            share, partners = (
                float(draw.beta(self.params.mixup_alpha, self.params.mixup_alpha)),
                draw.permutation(group),
            )
            rng = self.run.seeds.numpy("sample", self.stage, epoch, "step", step)
            first, second = int(order[step]), int(partners[step % size])
            yield self._mixed(first, second, share if len(group) > 1 else 1.0, rng)

    def _mixed(self, first: int, second: int, share: float, rng: np.random.Generator) -> MixedBag:
        labels = self.source.labels
        assert labels is not None
        parts = self.params.mixup_parts
        mine = min(int(share * (parts + 1)), parts)
        rows = [self._rows(first, mine, rng), self._rows(second, parts - mine, rng)]
        if all(map(len, rows)) and rng.random() >= self.params.mixup_chance:
            rows[1] = rows[1][:0]
        if not any(map(len, rows)):  # a bag of fewer tiles than parts
            rows[0] = np.arange(self.source.count(first))
        x = torch.cat([self.source.read(bag, chosen) for bag, chosen in zip((first, second), rows, strict=True)])
        both = torch.from_numpy(labels[[first, second]]).to(self.run.device)
        return MixedBag(pack([x], both[:1], (self.source.ids[first],)).to(self.run.device), both[1:], share)

    def _rows(self, bag: int, parts: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Tiles of ``parts`` of the bag's equal random parts."""
        cut = np.array_split(rng.permutation(self.source.count(bag)), self.params.mixup_parts)
        chosen = rng.permutation(self.params.mixup_parts)[:parts]
        return np.concatenate([cut[part] for part in chosen] or [np.empty(0, np.int64)])


def with_mixup(stage: Stage, train: BagSource, aggregator: Aggregator, params: ICMILParams, run: Run) -> Stage:
    """The stage of a bag model, on mixed bags (branch ``confidence_based``).

    Slides are taken in groups of 4; a group has one ``λ ~ Beta(1, 1)`` and every slide A a partner B of the group.
    Bags are cut into 4 random parts. ``k = int(5 λ)`` parts of A and the 4 - k others of B make the new bag with
    chance 0.75, k parts of A alone otherwise; where one of the two gives nothing, all of the other. The loss is
    ``λ L(A's label) + (1 - λ) L(B's label)`` in each case, as in the code. One update per bag, so an epoch has as many
    as without mix-up. A slide that is left alone in its group is not mixed.
    """
    bags = MixedBags(train, stage.name, params, run)
    return replace(stage, batches=bags, loss=_loss(aggregator, stage.module), loss_weight=None)


def _loss(aggregator: Aggregator, network: torch.nn.Module) -> Callable[[MixedBag], Tensor]:
    def loss(mixed: MixedBag) -> Tensor:
        assert mixed.bag.labels is not None
        output = network(mixed.bag)
        first: Tensor = aggregator.loss(output, mixed.bag.labels)
        return mixed.share * first + (1 - mixed.share) * aggregator.loss(output, mixed.other)

    return loss
