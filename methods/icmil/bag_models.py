"""The bag models that ICMIL couples, and what of them teaches single tiles."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import Tensor, nn

from harness import Aggregator, BagOutput, MILMethod, PackedBags
from harness.api import segment_max, segment_softmax, segment_weighted_sum
from methods.aggregators.attention import AttentionScore
from methods.aggregators.dtfd import DTFD
from methods.icmil.mixup import with_mixup

if TYPE_CHECKING:
    from harness import BagSource, Run, Stage
    from methods.icmil.params import ICMILParams

M = TypeVar("M", bound=nn.Module)

DTFD_MIX = (0.3, 0.7)
"""Shares of tier 1 and tier 2 in the teacher's logits of the journal version."""


class PooledMIL(Aggregator):
    """Reducer, pooling, classifier: ``h = relu(W x)``, ``z = pool_n h_n``, ``logits = W_c z + b``.

    ``max_pool``: ``z_k = max_n h_nk``, per channel. ``abmil``: ``z = Σ_n a_n h_n`` with
    ``a = softmax_n(w · (tanh(V h_n) ⊙ sigmoid(U h_n)))``, biases on.

    Shapes: x (T, D) → h (T, d) → z (B, d) → logits (B, C); attention (T,) for ``abmil``.

    Args:
        dim: width D of the features.
        n_classes: number of classes C.
        pool: ``max_pool`` or ``abmil``.
        width: d.
        hidden: width of the attention space.
    """

    def __init__(self, dim: int, n_classes: int, *, pool: str, width: int = 512, hidden: int = 128) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(dim, width, bias=False), nn.ReLU())
        self.score = AttentionScore(width, hidden, gated=True) if pool == "abmil" else None
        self.classify = nn.Linear(width, n_classes)

    def forward(self, bags: PackedBags) -> BagOutput:
        """Logits (B, C) and attention (T,) or None."""
        h = self.embed(bags.x)
        if self.score is None:
            return BagOutput(self.classify(segment_max(h, bags.offsets)))
        weights = segment_softmax(self.score(h)[:, 0], bags.offsets)
        return BagOutput(self.classify(segment_weighted_sum(weights, h, bags.offsets)), weights)


class BagModel(MILMethod):
    """A bag model, trained by the shared bag method: on features, or with its encoder for the warm-up.

    Each part has an optimiser of its own. For Adam that changes nothing but the clipping, which the published code
    does part by part.
    """

    kind = "abmil"
    width = 512
    hidden = 128
    pseudo_bags = 5
    mixup: ICMILParams | None = None

    def stages(self, train: BagSource, val: BagSource | None, run: Run) -> Iterator[Stage]:
        """One stage; on bags of two slides where ``mixup`` says how."""
        for stage in super().stages(train, val, run):
            yield stage if self.mixup is None else with_mixup(stage, train, self.network.aggregator, self.mixup, run)

    def aggregator(self, dim: int) -> Aggregator:
        """The aggregator that ``kind`` names."""
        if self.kind == "dtfd":
            return DTFD(
                dim,
                self.task.n_classes,
                rule="AFS",
                pseudo_bags=self.pseudo_bags,
                width=self.width,
                hidden=self.hidden,
            )
        return PooledMIL(dim, self.task.n_classes, pool=self.kind, width=self.width, hidden=self.hidden)

    def optimizer_groups(self, network: nn.Module) -> list[list[nn.Parameter]]:
        """Parameters of the encoder (warm-up), reducer, attention and classifier; of DTFD's tier 2 together."""
        parts = ("encoder.", "embed.", "tier1.score.", "tier1.classify.", "tier2.", "score.", "classify.")
        groups: dict[str, list[nn.Parameter]] = {}
        for name, parameter in network.named_parameters():
            local = name.removeprefix("aggregator.")
            groups.setdefault(next(part for part in parts if local.startswith(part)), []).append(parameter)
        return list(groups.values())


@dataclass(frozen=True)
class Teacher:
    """What of a bag model classifies single tiles: frozen copies, in evaluation mode.

    Attributes:
        reducer: D, features (n, D) → z (n, d).
        classifier: c, z → logits (n, C). Of DTFD tier 2's, applied to tiles without attention.
        scores: attention networks, z → (n, 1): none for max pooling, one for ABMIL, two for DTFD.
    """

    reducer: nn.Module
    classifier: nn.Linear
    scores: tuple[nn.Module, ...]

    @classmethod
    def of(cls, aggregator: Aggregator, *, mix: bool = False) -> Teacher:
        """The teacher in a trained bag model.

        Args:
            aggregator: a :class:`PooledMIL` or a DTFD.
            mix: DTFD only: logits are 0.3 · tier 1 + 0.7 · tier 2. Both are linear, hence so is the mixture.
        """
        if isinstance(aggregator, DTFD):
            tier1, tier2 = aggregator.tier1, aggregator.tier2
            classifier = _mixture(tier1.classify, tier2.classify) if mix else tier2.classify
            return cls(_frozen(aggregator.embed), _frozen(classifier), (_frozen(tier1.score), _frozen(tier2.score)))
        pooled = cast("PooledMIL", aggregator)
        scores = () if pooled.score is None else (_frozen(pooled.score),)
        return cls(_frozen(pooled.embed), _frozen(pooled.classify), scores)

    @torch.no_grad()
    def __call__(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, D) → hidden z_T (n, d) and logits (n, C)."""
        hidden = self.reducer(features)
        return hidden, self.classifier(hidden)

    @torch.no_grad()
    def attention(self, hidden: Tensor) -> list[Tensor]:
        """Scores (n,) before the softmax, one per attention network."""
        return [score(hidden)[:, 0] for score in self.scores]


def _mixture(first: nn.Linear, second: nn.Linear) -> nn.Linear:
    mixed = copy.deepcopy(second)
    with torch.no_grad():
        for name, value in mixed.named_parameters():
            value.copy_(DTFD_MIX[0] * first.get_parameter(name) + DTFD_MIX[1] * second.get_parameter(name))
    return mixed


def _frozen(module: M) -> M:
    frozen = copy.deepcopy(module)
    frozen.requires_grad_(False).eval()
    return frozen
