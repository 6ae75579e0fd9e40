"""DTFD-MIL: pseudo-bags in two tiers with feature distillation in between."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Aggregator, BagOutput, PackedBags
from methods.aggregators.attention import AttentionScore

RULES = ("MaxMinS", "MaxS", "AFS")


class Tier(nn.Module):
    """What both tiers consist of: gated attention over vectors (n, d) and a linear classifier."""

    def __init__(self, width: int, n_classes: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.score = AttentionScore(width, hidden, gated=True)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(width, n_classes)

    def logits(self, pooled: Tensor) -> Tensor:
        """Logits (..., C) of pooled vectors (..., d)."""
        logits: Tensor = self.classify(self.dropout(pooled))
        return logits


class DTFD(Aggregator):
    """Double-tier feature distillation MIL (Zhang et al., CVPR 2022, arXiv 2203.12081).

    The tiles of a bag are shuffled and cut into G nearly equal pseudo-bags. Tier 1, shared by all pseudo-bags: ``h =
    relu(W x)``, gated attention, slide vector, classifier, trained with the slide's label. Every tile gets an
    instance probability from the class activation map ``W_c (a_n h_n)`` of tier 1's classifier without its bias,
    and each pseudo-bag hands on: ``MaxS`` the k tiles with the highest probability of the last class,
    ``MaxMinS`` those and the k lowest, ``AFS`` its slide vector. Tier 2 pools what it is handed with an attention of
    its own and classifies the slide. What is handed on is detached: the loss of tier 2 never trains tier 1.

    Shapes for one bag: x (n, D) → h (n, d) → handed on (G·1, G·k or G·2k, d) → logits (C,).

    Open points and what is done: instances are ranked by the last class (as in the published code, made for two
    classes) also when there are more; a bag with fewer than G tiles makes one pseudo-bag per tile (the published code
    goes on with empty ones, whose vectors are zero); in evaluation the shuffle is fixed by the number of tiles, so
    that a prediction is repeatable. In training it comes from torch's generator, like dropout. The attention of a
    tile is its tier-1 weight within its pseudo-bag times the weight that tier 2 gives to what that pseudo-bag handed
    on.

    Args:
        dim: width D of the features.
        n_classes: number of classes C.
        rule: ``MaxMinS``, ``MaxS`` or ``AFS``.
        pseudo_bags: G.
        instances: k.
        width: d.
        hidden: width of both attention spaces.
        dropout: in front of both classifiers.
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        *,
        rule: str = "AFS",
        pseudo_bags: int = 4,
        instances: int = 1,
        width: int = 512,
        hidden: int = 128,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if rule not in RULES:
            raise ValueError(f"unknown distillation rule {rule!r}")
        self.rule, self.pseudo_bags, self.instances = rule, pseudo_bags, instances
        self.embed = nn.Sequential(nn.Linear(dim, width, bias=False), nn.ReLU())
        self.tier1 = Tier(width, n_classes, hidden, dropout)
        self.tier2 = Tier(width, n_classes, hidden, dropout)

    def forward(self, bags: PackedBags) -> BagOutput:
        """Tier-2 logits (B, C), attention (T,); ``extra``: tier-1 logits (ΣG, C), the bag of each (ΣG,)."""
        outputs = [
            self.bag(tiles, self._shuffle(len(tiles)).to(tiles.device))
            for tiles in torch.split(bags.x, bags.offsets.diff().tolist())
        ]
        counts = torch.tensor([len(tier1) for tier1, *_ in outputs], device=bags.x.device)
        extra = {
            "tier1_logits": torch.cat([tier1 for tier1, *_ in outputs]),
            "tier1_bag": torch.repeat_interleave(torch.arange(len(counts), device=bags.x.device), counts),
        }
        logits = torch.cat([tier2 for _, tier2, *_ in outputs])
        return BagOutput(logits, torch.cat([attention for *_, attention in outputs]), extra)

    def loss(self, output: BagOutput, labels: Tensor) -> Tensor:
        """Tier 1's loss (mean over a bag's pseudo-bags) plus tier 2's, mean over the bags."""
        owner = output.extra["tier1_bag"]
        losses = functional.cross_entropy(output.extra["tier1_logits"], labels[owner], reduction="none")
        share = 1 / torch.bincount(owner, minlength=len(labels)).to(losses.dtype)
        return (losses * share[owner]).sum() / len(labels) + functional.cross_entropy(output.logits, labels)

    def bag(self, tiles: Tensor, order: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One bag (n, D) with its tiles in the given order (n,).

        Returns:
            tier-1 logits (G, C), tier-2 logits (1, C), what was handed on (·, d), attention (n,).
        """
        embeddings: Tensor = self.embed(tiles)
        scores: Tensor = self.tier1.score(embeddings)[:, 0]
        chunks = order.tensor_split(min(self.pseudo_bags, len(tiles)))
        weights = [scores[chunk].softmax(0) for chunk in chunks]
        slides = torch.stack([w @ embeddings[chunk] for w, chunk in zip(weights, chunks, strict=True)])
        handed = [
            self._distil(embeddings[chunk].detach(), w.detach(), slide.detach())
            for chunk, w, slide in zip(chunks, weights, slides, strict=True)
        ]
        distilled = torch.cat(handed)
        shares: Tensor = self.tier2.score(distilled)[:, 0].softmax(0)
        final = self.tier2.logits((shares @ distilled).unsqueeze(0))
        attention = _tile_weights(chunks, weights, torch.split(shares, [len(part) for part in handed]))
        return self.tier1.logits(slides), final, distilled, attention

    def _distil(self, embeddings: Tensor, weights: Tensor, slide: Tensor) -> Tensor:
        """What one pseudo-bag hands on, (1, d), (k, d) or (2k, d); all inputs are detached."""
        if self.rule == "AFS":
            return slide.unsqueeze(0)
        activation = (weights.unsqueeze(1) * embeddings) @ self.tier1.classify.weight.detach().T
        # Probabilities, not their logarithms: where they round to the same number, the earlier tile comes first, as in
        # the published code.
        order = activation.softmax(1)[:, -1].argsort(descending=True, stable=True)
        if self.rule == "MaxS":
            return embeddings[order[: self.instances]]
        return embeddings[torch.cat([order[: self.instances], order[-self.instances :]])]

    def _shuffle(self, tiles: int) -> Tensor:
        if self.training:
            return torch.randperm(tiles)
        return torch.randperm(tiles, generator=torch.Generator().manual_seed(tiles))


def _tile_weights(chunks: Sequence[Tensor], weights: Sequence[Tensor], shares: Sequence[Tensor]) -> Tensor:
    """Weight of every tile (n,): within its pseudo-bag times the pseudo-bag's share in tier 2."""
    values = torch.cat([w * share.sum() for w, share in zip(weights, shares, strict=True)])
    return torch.empty_like(values).index_copy(0, torch.cat(list(chunks)), values)
