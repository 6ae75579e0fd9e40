"""TransMIL: a transformer over the tiles with Nyström attention and convolutional position encoding."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from harness import Aggregator, BagOutput, PackedBags
from methods.aggregators.nystrom import NystromAttention


class PositionEncoding(nn.Module):
    """Pyramid position encoding generator (TransMIL, algorithm 2): depth-wise 7, 5 and 3 convolutions plus identity.

    Args:
        width: width d of the tokens.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width, width, size, padding=size // 2, groups=width) for size in (7, 5, 3)
        )

    def forward(self, tokens: Tensor, side: int) -> Tensor:
        """Tokens (1 + side², d), the class token first; it passes unchanged."""
        grid = torch.unflatten(tokens[1:].T, 1, (side, side)).unsqueeze(0)
        grid = sum((convolve(grid) for convolve in self.convolutions), grid)
        return torch.cat([tokens[:1], grid[0].flatten(1).T])


class TransMIL(Aggregator):
    """TransMIL (Shao et al., NeurIPS 2021, arXiv 2106.00908, algorithms 1 and 2).

    ``h = relu(W x)``; the sequence is filled to a square with its own first tiles; a class token in front; ``h ← h +
    attention(LN(h))``; position encoding on the square; a second such layer; ``logits = W_c LN(class token)``.

    Shapes for one bag: (n, D) → (1 + s², d) with s = ceil(sqrt(n)) → (d,) → (C,). Bags are worked through one by one.

    The order of the tiles matters: the square is laid out in the order in which they come. Attention is read in
    evaluation only: the class token's row of the second layer, mean over heads, negative entries (the
    pseudo-inverse makes some) cut to zero, repeats added to their tile, scaled to sum to one. That reading is ours.

    Args:
        dim: width D of the features.
        n_classes: number of classes C.
        width: d; must be a multiple of the heads.
        heads: heads of the attention.
        landmarks: landmarks of the attention; None takes d / 2 as published.
        iterations: of the pseudo-inverse.
        dropout: behind each attention.
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        *,
        width: int = 512,
        heads: int = 8,
        landmarks: int | None = None,
        iterations: int = 6,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(dim, width), nn.ReLU())
        self.token = nn.Parameter(torch.randn(1, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.attentions = nn.ModuleList(
            NystromAttention(
                width, heads=heads, landmarks=landmarks or width // 2, iterations=iterations, dropout=dropout
            )
            for _ in range(2)
        )
        self.positions = PositionEncoding(width)
        self.classify = nn.Linear(width, n_classes)

    def forward(self, bags: PackedBags) -> BagOutput:
        """Logits (B, C) and, in evaluation, attention (T,); ``extra['embedding']`` holds the class tokens (B, d)."""
        parts = [self._bag(bag) for bag in torch.split(self.embed(bags.x), bags.offsets.diff().tolist())]
        slides = torch.stack([slide for slide, _ in parts])
        attention = None if self.training else torch.cat([weights for _, weights in parts])
        return BagOutput(self.classify(slides), attention, {"embedding": slides})

    def _bag(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """Class token (d,) and attention (n,) of one bag of embeddings (n, d)."""
        side = math.isqrt(len(tiles) - 1) + 1
        tokens = torch.cat([self.token, tiles, tiles[: side**2 - len(tiles)]])
        tokens = tokens + self.attentions[0](self.norms[0](tokens))
        tokens = self.positions(tokens, side)
        normed = self.norms[1](tokens)
        attention = tokens.new_empty(0) if self.training else self._attention(normed, len(tiles))
        tokens = tokens + self.attentions[1](normed)
        return self.norms[2](tokens[0]), attention

    def _attention(self, normed: Tensor, tiles: int) -> Tensor:
        last = self.attentions[1]
        assert isinstance(last, NystromAttention)
        row = last.first_row(normed)[:, 1:].mean(0).clamp(min=0)
        weights = row[:tiles].clone()
        weights[: len(row) - tiles] += row[tiles:]
        total = weights.sum()
        return weights / total if total > 0 else torch.full_like(weights, 1 / tiles)
