"""Attention pooling, plain and gated (ABMIL)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from harness import Aggregator, BagOutput, PackedBags
from harness.api import segment_softmax, segment_weighted_sum
from methods.aggregators.trunk import SlideHead, Trunk, initialise


class AttentionScore(nn.Module):
    """Attention before the softmax, (T, d) → (T, K).

    Plain (Ilse et al. 2018, equation 8): ``s_n = w · tanh(V h_n)``.
    Gated (equation 9): ``s_n = w · (tanh(V h_n) ⊙ sigmoid(U h_n))``.
    V, U and w have biases here, as in the published code; the equations leave them out.

    Args:
        dim: width d of the embeddings.
        hidden: width of the attention space.
        gated: whether there is a gate U.
        branches: number K of attention distributions.
        dropout: dropout on the tanh branch and on the gate (CLAM only).
    """

    def __init__(self, dim: int, hidden: int, *, gated: bool, branches: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.value = nn.Linear(dim, hidden)
        self.gate = nn.Linear(dim, hidden) if gated else None
        self.dropout = nn.Dropout(dropout)
        self.weight = nn.Linear(hidden, branches)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Scores (T, K) of embeddings (T, d)."""
        hidden = self.dropout(self.value(embeddings).tanh())
        if self.gate is not None:
            hidden = hidden * self.dropout(self.gate(embeddings).sigmoid())
        scores: Tensor = self.weight(hidden)
        return scores


class AttentionMIL(Aggregator):
    """Attention-based deep MIL (Ilse, Tomczak and Welling, ICML 2018, arXiv 1802.04712, equations 7 to 9).

    ``a = softmax over the bag's tiles of s_n``, ``z = Σ_n a_n h_n``, ``logits = W z + b`` with ``h_n = f(x_n)``.

    Shapes: x (T, D) → h (T, d) → a (T,) → z (B, d) → logits (B, C).

    Args:
        dim: width D of the features.
        n_classes: number of classes C.
        hidden: width of the attention space (128 in the paper's image experiments, 64 on the classical sets).
        gated: equation 9 instead of 8.
        widths: widths of the trunk f; the paper has the encoder's own layers there.
        dropout, dropout_at: dropout in the trunk.
        single_logit: for two classes a Bernoulli model with one logit, as in the paper.
        init: ``torch`` or ``glorot``.
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        *,
        hidden: int = 128,
        gated: bool = False,
        widths: Sequence[int] = (),
        dropout: float = 0.0,
        dropout_at: str = "each",
        single_logit: bool = True,
        init: str = "torch",
    ) -> None:
        super().__init__()
        self.trunk = Trunk(dim, widths, dropout=dropout, dropout_at=dropout_at)
        self.score = AttentionScore(self.trunk.dim, hidden, gated=gated)
        self.head = SlideHead(self.trunk.dim, n_classes, single_logit=single_logit)
        initialise(self, init)

    def forward(self, bags: PackedBags) -> BagOutput:
        """Logits (B, C), attention (T,); ``extra['embedding']`` holds the slide vectors z (B, d)."""
        embeddings = self.trunk(bags.x)
        weights = segment_softmax(self.score(embeddings)[:, 0], bags.offsets)
        slides = segment_weighted_sum(weights, embeddings, bags.offsets)
        return BagOutput(self.head(slides), weights, {"embedding": slides})
