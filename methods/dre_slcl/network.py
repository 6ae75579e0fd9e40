"""The networks: tile encoder, residual encoding against the codebook, refinement, and heads on the slide vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import UsageError
from harness.api import encode_in_chunks
from methods.dre_slcl import vlad

if TYPE_CHECKING:
    from harness import TileEncoder
    from harness.api import Augment
    from harness.bags.augment import Draw

_BatchNorm = nn.modules.batchnorm._BatchNorm


class Refiner(nn.Module):
    """A small transformer over the K rows of the VLAD matrix.

    ``z_k = V_k + e_k`` with a learned embedding per codeword; pre-LN encoder layers (GELU, feed-forward 4 d) over the K
    tokens; ``h = mean_k LN(z_k)``.

    Args:
        words: K.
        width: d.
        layers: number of layers.
        heads: attention heads; they must divide d.
        dropout: in attention and feed-forward part.
    """

    def __init__(self, words: int, width: int, *, layers: int = 2, heads: int = 6, dropout: float = 0.1) -> None:
        super().__init__()
        if width % heads:
            raise UsageError(
                f"{heads} heads do not divide the encoder's width of {width}",
                place="hyper-parameter heads",
                fix="choose a divisor of the width, for example --set heads=4",
            )
        self.words = nn.Parameter(0.02 * torch.randn(words, width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, matrices: Tensor) -> Tensor:
        """VLAD matrices (B, K, d) → slide vectors h (B, d)."""
        tokens = matrices + self.words
        for layer in self.layers:
            tokens = layer(tokens)
        slides: Tensor = self.norm(tokens).mean(1)
        return slides


class Backbone(nn.Module):
    """Tiles → tile features → slide vector.

    ``f = E(x) / |E(x)|``; ``V = VLAD(fresh ∪ stored; C)`` (see :mod:`methods.dre_slcl.vlad`); ``h = Refine(V)``.

    The codebook C (K, d) is a buffer: saved with the weights, never trained. Batch norm in the encoder, where there is
    any, keeps the statistics it has in training too: fresh, stored and inference features must be of one kind.

    Args:
        encoder: tile encoder E.
        words: K.
        layers, heads, dropout: of the refiner.
        chunk: tiles per pass through the encoder in training; 0 takes the whole batch.
        recompute: encode every chunk a second time for its gradient instead of keeping its activations (gradient
            caching; exact).
    """

    codebook: Tensor

    def __init__(
        self,
        encoder: TileEncoder,
        words: int,
        *,
        layers: int = 2,
        heads: int = 6,
        dropout: float = 0.1,
        chunk: int = 0,
        recompute: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.dim = encoder.dim
        self.chunk = chunk
        self.recompute = recompute
        self.register_buffer("codebook", torch.zeros(words, encoder.dim))
        self.refiner = Refiner(words, encoder.dim, layers=layers, heads=heads, dropout=dropout)

    def train(self, mode: bool = True) -> Backbone:
        """Training mode, but for batch norm."""
        super().train(mode)
        for part in self.encoder.modules():
            if isinstance(part, _BatchNorm):
                part.eval()
        return self

    def features(self, tiles: Tensor) -> Tensor:
        """L2-normalised features (n, d) of (n, 3, H, W) pixels 0..255, float32 or wider."""
        values = self.encoder.encode(tiles)
        values = values if values.dtype == torch.float64 else values.float()
        return functional.normalize(values, dim=1, eps=vlad.EPS)

    def fresh(self, tiles: Tensor, augment: Augment, draw: Draw) -> Tensor:
        """:meth:`features` of an augmented training batch, chunk by chunk, with an exact gradient."""
        return encode_in_chunks(
            lambda part, drawn: self.features(augment.apply(part, drawn)),
            tiles,
            self.chunk,
            module=self.encoder,
            along=[draw],
            recompute=self.recompute,
        )

    def slides(self, features: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Slide vectors h (B, d) and tiles per codeword (B, K), from L2-normalised features (T, d) of packed bags."""
        matrices, counts = vlad.encode(features, offsets, self.codebook)
        return self.refiner(matrices), counts

    def calibrate(self, tiles: Tensor) -> None:
        """Give batch norm the statistics of ``tiles``; without batch norm nothing happens."""
        norms = [part for part in self.encoder.modules() if isinstance(part, _BatchNorm)]
        momenta = [part.momentum for part in norms]
        for part in norms:
            part.reset_running_stats()
            part.momentum = None  # the plain mean over batches
            nn.Module.train(part, True)
        with torch.no_grad():
            for start in range(0, len(tiles) if norms else 0, 256):
                self.encoder.encode(tiles[start : start + 256])
        for part, momentum in zip(norms, momenta, strict=True):
            part.momentum = momentum
            part.eval()


class ContrastNet(nn.Module):
    """A backbone and the projection ``v = W h`` into the space of the reports."""

    def __init__(self, backbone: Backbone, text_dim: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.project = nn.Linear(backbone.dim, text_dim)

    def forward(self, features: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Projected slide vectors v (B, P) and tiles per codeword (B, K)."""
        slides, counts = self.backbone.slides(features, offsets)
        return self.project(slides), counts


class Probe(nn.Module):
    """A linear classifier on standardised slide vectors; mean and deviation are those of the training slides."""

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int, n_classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))
        self.linear = nn.Linear(dim, n_classes)

    def fit_scale(self, slides: Tensor) -> None:
        """Take mean and deviation from slide vectors (n, d)."""
        self.mean.copy_(slides.mean(0))
        self.std.copy_(slides.std(0, correction=0).clamp(min=1e-6))

    def forward(self, slides: Tensor) -> Tensor:
        """(B, d) → logits (B, C)."""
        return cast("Tensor", self.linear((slides - self.mean) / self.std))


class Classifier(nn.Module):
    """A backbone with a linear head; with ``project`` the contrast goes on beside the classification."""

    def __init__(self, backbone: Backbone, n_classes: int, project: nn.Linear | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.dim, n_classes)
        self.project = project

    def forward(self, features: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, C), slide vectors (B, d) and tiles per codeword (B, K)."""
        slides, counts = self.backbone.slides(features, offsets)
        return self.head(slides), slides, counts
