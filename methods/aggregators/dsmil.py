"""DSMIL: attention by distance to the critical tile."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Aggregator, BagOutput, PackedBags
from harness.api import segment_max
from methods.aggregators.branches import predicted_branch
from methods.aggregators.trunk import initialise


class DSMIL(Aggregator):
    """Dual-stream MIL (Li, Li and Eliceiri, CVPR 2021, arXiv 2011.08939).

    First stream: instance logits ``c_n = W x_n``; the bag's score is their maximum per class, and the tile that
    attains it is the critical tile m_c of the class. Second stream: ``q_n = Q(x_n)``, attention of every class
    ``a_nc = softmax over the bag's tiles of q_n · q_{m_c} / sqrt(128)``, slide vectors ``B_c = Σ_n a_nc v_n``, bag
    logits by a linear map of all C slide vectors (a 1-D convolution whose kernel spans the features).

    Shapes: x (T, D) → instance logits (T, C), q (T, 128), attention (T, C), slide vectors (B, C, D), logits (B, C).

    The decision averages both streams' logits (the paper averages scores), or is the second stream's alone
    (``decision='bag'``, the published training code unless asked). The choice of the critical tile carries no gradient.

    Args:
        dim: width D of the features.
        n_classes: number of classes C.
        query_dim: width of the queries.
        nonlinear: ``Q`` is linear - ReLU - linear - tanh instead of one linear map.
        passing_v: values are mapped (dropout, linear, ReLU) instead of being the features themselves.
        dropout: dropout on the features that become values (``passing_v`` only).
        loss: ``bce``, one-against-rest on both streams as published, or ``ce``, softmax cross-entropy.
        single_logit: for two classes only the logit of class 1 is modelled (published for CAMELYON16).
        decision: ``mean`` of both streams' logits, or ``bag``, the second stream's.
        init: ``torch``, or ``orthogonal`` weights with zero biases (published).
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        *,
        query_dim: int = 128,
        nonlinear: bool = True,
        passing_v: bool = False,
        dropout: float = 0.0,
        loss: str = "bce",
        single_logit: bool = False,
        decision: str = "mean",
        init: str = "torch",
    ) -> None:
        super().__init__()
        self.single = single_logit and n_classes == 2
        outputs = 1 if self.single else n_classes
        self.loss_kind = loss
        self.decision = decision
        self.instance = nn.Linear(dim, outputs)
        more = [nn.ReLU(), nn.Linear(query_dim, query_dim), nn.Tanh()] if nonlinear else []
        self.query = nn.Sequential(nn.Linear(dim, query_dim), *more)
        values = [nn.Dropout(dropout), nn.Linear(dim, dim), nn.ReLU()] if passing_v else []
        self.value = nn.Sequential(*values)
        self.bag = nn.Linear(outputs * dim, outputs)
        initialise(self, init)

    def forward(self, bags: PackedBags) -> BagOutput:
        """Logits of the decision (B, C), attention (T,) of the predicted class.

        ``extra``: both streams' logits (B, C), instance logits (T, C), slide vectors (B, C, D), attention of all
        classes (T, C).
        """
        instance = self.instance(bags.x)
        sizes = bags.offsets.diff().tolist()
        parts = [self._bag(*bag) for bag in zip(torch.split(bags.x, sizes), torch.split(instance, sizes), strict=True)]
        slides = torch.stack([slide for slide, _ in parts])
        weights = torch.cat([attention for _, attention in parts])
        bag_logits = self.bag(slides.flatten(1))
        max_logits = segment_max(instance, bags.offsets)
        extra = {
            "bag_logits": bag_logits,
            "max_logits": max_logits,
            "instance_logits": instance,
            "slides": slides,
            "attention": weights,
        }
        logits = bag_logits if self.decision == "bag" else 0.5 * (bag_logits + max_logits)
        if self.single:
            return BagOutput(torch.cat([torch.zeros_like(logits), logits], 1), weights[:, 0], extra)
        return BagOutput(logits, predicted_branch(weights, logits, bags.offsets), extra)

    def _bag(self, x: Tensor, instance: Tensor) -> tuple[Tensor, Tensor]:
        """Slide vectors (C, D) and attention (n, C) of one bag with tiles (n, D) and instance logits (n, C)."""
        critical = self.query(x[instance.argmax(0)])
        scores = self.query(x) @ critical.T / critical.shape[1] ** 0.5
        attention = scores.softmax(0)
        return attention.T @ self.value(x), attention

    def loss(self, output: BagOutput, labels: Tensor) -> Tensor:
        """Half the loss of each stream."""
        return 0.5 * (self._loss(output.extra["bag_logits"], labels) + self._loss(output.extra["max_logits"], labels))

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.single:
            return functional.binary_cross_entropy_with_logits(logits[:, 0], labels.to(logits.dtype))
        if self.loss_kind == "ce":
            return functional.cross_entropy(logits, labels)
        targets = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
        return functional.binary_cross_entropy_with_logits(logits, targets)
