"""The two small networks: what they are, and that they learn what tissue asks of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.encoders import build_encoder


def test_conv27_has_the_layers_of_the_colon_network() -> None:
    encoder = build_encoder("conv27", tile_px=27, seed=0)
    shapes = [tuple(p.shape) for p in encoder.parameters() if p.dim() > 1]
    assert shapes == [(36, 3, 4, 4), (48, 36, 3, 3), (512, 1200), (512, 512)]
    assert all((p == 0).all() for p in encoder.parameters() if p.dim() == 1)
    tiles = torch.randint(0, 256, (4, 3, 27, 27), dtype=torch.uint8)
    assert encoder.eval().encode(tiles).shape == (4, 512)
    assert torch.equal(encoder.encode(tiles), encoder.encode(tiles))
    with pytest.raises(ValueError, match="27 x 27"):
        encoder.encode(torch.zeros(1, 3, 28, 28, dtype=torch.uint8))


def test_conv64_sees_a_nucleus_with_its_surroundings() -> None:
    encoder = build_encoder("conv64", tile_px=64, seed=0).eval().double()
    tile = torch.rand(1, 3, 128, 128, dtype=torch.float64, requires_grad=True)
    body = encoder.body.get_submodule("layers")
    body(tile)[0, :, 8, 8].sum().backward()
    assert tile.grad is not None
    rows = tile.grad.abs().sum((0, 1, 3)).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 31


def _nuclei(count: int, radius: float, rng: np.random.Generator) -> Tensor:
    """Pink tiles with dark discs; the area covered is about the same for every radius."""
    grid = np.arange(64)
    tiles = np.empty((count, 64, 64, 3), np.float64)
    tiles[:] = (225, 170, 205)
    for tile in tiles:
        for centre in rng.uniform(0, 64, (round(500 / (np.pi * radius**2)), 2)):
            disc = (grid[:, None] - centre[0]) ** 2 + (grid[None] - centre[1]) ** 2 < radius**2
            tile[disc] = (90, 60, 140)
    tiles += rng.normal(0, 12, tiles.shape)
    return torch.from_numpy(tiles.clip(0, 255).astype(np.uint8)).permute(0, 3, 1, 2)


def test_conv64_learns_nuclear_size_within_seconds() -> None:
    rng = np.random.default_rng(0)
    small, large = _nuclei(160, 4, rng), _nuclei(160, 8, rng)
    train, test = torch.cat([small[:96], large[:96]]), torch.cat([small[96:], large[96:]])
    labels, truth = torch.arange(2).repeat_interleave(96), torch.arange(2).repeat_interleave(64)
    encoder = build_encoder("conv64", tile_px=64, seed=0)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        head = nn.Linear(encoder.dim, 2)
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=2e-3)
    for step in range(50):
        rows = torch.from_numpy(np.random.default_rng(step).permutation(192)[:64])
        loss = nn.functional.cross_entropy(head(encoder.encode(train[rows])), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        correct = (head(encoder.eval().encode(test)).argmax(1) == truth).float().mean()
    assert correct > 0.9
