"""ABMILX: multi-head local attention with attention plus."""

from __future__ import annotations

from torch import Tensor, nn

from harness import Aggregator, BagOutput, PackedBags
from harness.api import segment_softmax, segment_sum
from methods.aggregators.attention_plus import AttentionPlus
from methods.aggregators.trunk import initialise

ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU, "none": nn.Identity}
"""Activations of the entry layer."""


class ABMILX(Aggregator):
    """ABMILX (arXiv 2506.02408, NeurIPS 2025).

    With m heads of width k = d / m, for every bag:

    1. ``H = dropout(act(W_in LN(E)))``, (T, D) → (T, d), cut into m heads (T, m, k); act is gelu unless set;
    2. local attention logits ``A = w · gelu(W H)`` per head, (T, m); W and w are shared by the heads;
    3. attention plus ``A' = A + U (α A)``, see :class:`~methods.aggregators.attention_plus.AttentionPlus`;
    4. ``w = softmax over the bag's tiles of A'``, ``z_j = Σ_n w_nj H_nj``, heads side by side: (B, d);
    5. ``z = W_o z``; with a feed-forward part ``z = z + MLP(z)``, d → 4d → d with gelu;
    6. ``logits = W_c LN(z)``, (B, C).

    Choices where paper and code differ or are silent: the layer norm in A+ and the biases of the feed-forward part
    follow the code; without layer norms (``norm='none'``) the feed-forward part gets one in front, also as in the
    code; α starts at 1 unless asked otherwise. The code's setting ``act`` reaches step 1 alone: attention network and
    feed-forward part always use gelu. All linear weights start Xavier-normal, biases at zero (code).

    Args:
        dim: width D of the features.
        n_classes: number of classes C.
        width: d.
        heads: m; must divide d.
        norm: ``ln`` (layer norm at entry and exit, end to end) or ``none`` (two-stage).
        bias: biases in the linear layers 1, 5, 6 and in the layer norms at entry and exit.
        attention_bias: biases in the attention network of step 2.
        ffn: whether there is a feed-forward part.
        dropout: dropout of step 1.
        attention_plus: ``learned`` α, ``fixed`` α, or ``off`` (multi-head local attention alone).
        alpha_init: ``one``, or ``normal`` for N(0, 1).
        act: activation of step 1, ``gelu``, ``relu`` or ``none``.

    Raises:
        ValueError: the heads do not divide the width, or an unknown activation.
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        *,
        width: int = 512,
        heads: int = 8,
        norm: str = "ln",
        bias: bool = False,
        attention_bias: bool = False,
        ffn: bool = False,
        dropout: float = 0.25,
        attention_plus: str = "learned",
        alpha_init: str = "one",
        act: str = "gelu",
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        if act not in ACTIVATIONS:
            raise ValueError(f"there is no activation {act!r}; choose from {', '.join(ACTIVATIONS)}")
        self.heads = heads
        k = width // heads
        entry = [nn.LayerNorm(dim, bias=bias)] if norm == "ln" else []
        self.embed = nn.Sequential(*entry, nn.Linear(dim, width, bias=bias), ACTIVATIONS[act](), nn.Dropout(dropout))
        self.score = nn.Sequential(
            nn.Linear(k, k, bias=attention_bias), nn.GELU(), nn.Linear(k, 1, bias=attention_bias)
        )
        self.project = nn.Linear(width, width, bias=bias)
        self.ffn = _feed_forward(width, norm_first=norm != "ln") if ffn else None
        self.norm = nn.LayerNorm(width, bias=bias) if norm == "ln" else nn.Identity()
        self.classify = nn.Linear(width, n_classes, bias=bias)
        self.plus = None
        if attention_plus != "off":
            self.plus = AttentionPlus(k, learned=attention_plus == "learned", normal=alpha_init == "normal")
        initialise(self, "xavier_normal")

    def forward(self, bags: PackedBags) -> BagOutput:
        """Logits (B, C), attention (T, m); ``extra['embedding']`` holds the slide vectors z (B, d) of step 6."""
        heads: Tensor = self.embed(bags.x).unflatten(1, (self.heads, -1))
        scores: Tensor = self.score(heads).squeeze(-1)
        if self.plus is not None:
            scores = self.plus(heads, scores, bags.offsets)
        weights = segment_softmax(scores, bags.offsets)
        slides = self.project(segment_sum(weights.unsqueeze(-1) * heads, bags.offsets).flatten(1))
        if self.ffn is not None:
            slides = slides + self.ffn(slides)
        slides = self.norm(slides)
        return BagOutput(self.classify(slides), weights, {"embedding": slides})


def _feed_forward(width: int, *, norm_first: bool) -> nn.Sequential:
    before = [nn.LayerNorm(width)] if norm_first else []
    return nn.Sequential(*before, nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
