"""CLAM: attention pooling with instance-level clustering, single- and multi-branch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Aggregator, BagOutput, PackedBags
from harness.api import segment_softmax, segment_weighted_sum
from methods.aggregators.attention import AttentionScore
from methods.aggregators.branches import predicted_branch
from methods.aggregators.smooth_svm import smooth_top1_svm

INSTANCE_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "ce": functional.cross_entropy,
    "svm": smooth_top1_svm,
}


class CLAM(Aggregator):
    """CLAM (Lu et al. 2021, Nature Biomedical Engineering 5:555, arXiv 2004.09666).

    ``h = relu(W x)`` (T, d); attention scores ``s`` (T, K) with K = 1 (single branch) or C (one branch per class);
    ``a = softmax over the bag's tiles of s``; slide vectors ``M_k = Σ_n a_nk h_n``. Single branch: ``logits = W_c
    M``; multi-branch: ``logit_c = w_c · M_c + b_c``.

    Training adds instance-level clustering: for the class of the slide, the k tiles of highest attention are
    positives and the k of lowest attention negatives of that class's own two-way instance classifier; with
    ``subtyping`` (classes exclude each other) the k highest tiles of every other class's branch are its negatives,
    and the sum is divided by C. Loss: ``c · CE(bag) + (1 − c) · instance loss``, mean over bags.

    Open points and what is done: a bag with fewer than k tiles uses all it has (the published code fails); one with
    fewer than 2 k lets tiles be positive and negative at once, as the published code does. Tiles are ranked by
    score instead of attention: the same order without ties where the softmax underflows.

    Args:
        dim: width D of the features.
        n_classes: number of classes C.
        multi_branch: one attention branch per class.
        width: d.
        hidden: width of the attention space.
        gated: gated attention.
        dropout: dropout on h and inside the attention.
        k_sample: k.
        subtyping: classes exclude each other.
        instance_loss: ``ce`` or ``svm`` (smooth top-1 SVM, τ = 1).
        bag_weight: c.
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        *,
        multi_branch: bool,
        width: int = 512,
        hidden: int = 256,
        gated: bool = True,
        dropout: float = 0.25,
        k_sample: int = 8,
        subtyping: bool = False,
        instance_loss: str = "ce",
        bag_weight: float = 0.7,
    ) -> None:
        super().__init__()
        self.multi_branch = multi_branch
        self.k_sample = k_sample
        self.subtyping = subtyping
        self.instance_loss = INSTANCE_LOSSES[instance_loss]
        self.bag_weight = bag_weight
        self.embed = nn.Sequential(nn.Linear(dim, width), nn.ReLU(), nn.Dropout(dropout))
        branches = n_classes if multi_branch else 1
        self.score = AttentionScore(width, hidden, gated=gated, branches=branches, dropout=dropout)
        self.classify = nn.Linear(width, n_classes)
        self.instance = nn.ModuleList(nn.Linear(width, 2) for _ in range(n_classes))

    def forward(self, bags: PackedBags) -> BagOutput:
        """Logits (B, C), attention (T,): with several branches that of the predicted class, as in CLAM's heat maps.

        ``extra``: embeddings (T, d), scores (T, K) before the softmax, offsets.
        """
        embeddings = self.embed(bags.x)
        scores = self.score(embeddings)
        weights = segment_softmax(scores, bags.offsets)
        slides = torch.stack([segment_weighted_sum(branch, embeddings, bags.offsets) for branch in weights.unbind(1)])
        if self.multi_branch:
            logits = torch.einsum("cbd,cd->bc", slides, self.classify.weight) + self.classify.bias
        else:
            logits = self.classify(slides[0])
        extra = {"embeddings": embeddings, "scores": scores, "offsets": bags.offsets}
        attention = predicted_branch(weights, logits, bags.offsets) if self.multi_branch else weights[:, 0]
        return BagOutput(logits, attention, extra)

    def loss(self, output: BagOutput, labels: Tensor) -> Tensor:
        """Bag loss and instance loss, weighted."""
        bag_loss = functional.cross_entropy(output.logits, labels)
        return self.bag_weight * bag_loss + (1 - self.bag_weight) * self.instance_losses(output, labels).mean()

    def instance_losses(self, output: BagOutput, labels: Tensor) -> Tensor:
        """Instance loss of every bag, (B,)."""
        sizes = output.extra["offsets"].diff().tolist()
        embeddings = torch.split(output.extra["embeddings"], sizes)
        scores = torch.split(output.extra["scores"], sizes)
        parts = zip(embeddings, scores, labels.tolist(), strict=True)
        return torch.stack([self._instance_loss(embeddings, scores, label) for embeddings, scores, label in parts])

    def _instance_loss(self, embeddings: Tensor, scores: Tensor, label: int) -> Tensor:
        """Instance loss of one bag with embeddings (n, d) and scores (n, K)."""
        k = min(self.k_sample, len(embeddings))
        losses = []
        for number, classifier in enumerate(self.instance):
            if number != label and not self.subtyping:
                continue
            branch = scores[:, number if self.multi_branch else 0]
            rows, kinds = branch.topk(k).indices, [int(number == label)] * k
            if number == label:
                rows, kinds = torch.cat([rows, branch.topk(k, largest=False).indices]), kinds + [0] * k
            targets = torch.tensor(kinds, device=embeddings.device)
            losses.append(self.instance_loss(classifier(embeddings[rows]), targets))
        total = torch.stack(losses).sum()
        return total / len(self.instance) if self.subtyping else total
