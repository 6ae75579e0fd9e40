"""How fast the small encoder trains and tiles are augmented, and what the memory layout is worth.

Not part of the test run; start it with ``pytest tests/benchmarks``. Compare the rows of a group: the ratios travel
between machines, the times do not.
"""

from __future__ import annotations

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from harness.bags.augment import Augment
from harness.encoders import build_encoder
from harness.training.chunked_encode import encode_in_chunks

TILES = 256


def _tiles(side: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (TILES, side, side, 3), dtype=torch.uint8, generator=generator).permute(0, 3, 1, 2)


@pytest.mark.parametrize("layout", ["channels_last", "contiguous"])
@pytest.mark.parametrize("passes", ["forward", "forward and backward"])
@pytest.mark.parametrize(("name", "side"), [("conv64", 64), ("conv27", 27)])
def test_small_encoder(benchmark: BenchmarkFixture, name: str, side: int, passes: str, layout: str) -> None:
    memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    encoder = build_encoder(name, tile_px=side, seed=0).to(memory_format=memory_format)
    tiles = _tiles(side)
    encoder.train("backward" in passes)

    def step() -> None:
        encoder.zero_grad()
        x = encoder.preprocess(tiles).contiguous(memory_format=memory_format)
        with torch.set_grad_enabled(encoder.training):
            features = encoder(x)
        if encoder.training:
            features.square().mean().backward()

    benchmark.group = f"{name}, {passes}"
    benchmark.extra_info["tiles"] = TILES
    benchmark.pedantic(step, rounds=5, warmup_rounds=1)
    benchmark.extra_info["tiles_per_second"] = TILES / benchmark.stats.stats.min


@pytest.mark.parametrize("name", ["none", "flips", "rotate", "weak", "strong"])
def test_augmentation(benchmark: BenchmarkFixture, name: str) -> None:
    augment, tiles = Augment(name, 64), _tiles(64)
    benchmark.group = "augmentation of 64 x 64 tiles"
    benchmark.pedantic(augment, (tiles, 0), rounds=5, warmup_rounds=1)
    benchmark.extra_info["tiles_per_second"] = TILES / benchmark.stats.stats.min


@pytest.mark.parametrize("name", ["conv64", "random:resnet18@layer3", "random:resnet18"])
def test_cut_networks(benchmark: BenchmarkFixture, name: str) -> None:
    encoder = build_encoder(name, tile_px=64, seed=0).eval()
    tiles = _tiles(64)
    benchmark.group = "64 x 64 tiles, forward"
    with torch.inference_mode():
        benchmark.pedantic(encoder.encode, (tiles,), rounds=3, warmup_rounds=1)
    benchmark.extra_info["tiles_per_second"] = TILES / benchmark.stats.stats.min


@pytest.mark.parametrize("recompute", [False, True], ids=["graph kept", "recomputed"])
def test_chunked_gradient(benchmark: BenchmarkFixture, recompute: bool) -> None:
    encoder, tiles = build_encoder("conv64", tile_px=64, seed=0), _tiles(64)

    def step() -> None:
        encoder.zero_grad()
        features = encode_in_chunks(encoder.encode, tiles, 64, module=encoder, recompute=recompute)
        features.square().mean().backward()

    benchmark.group = "gradient through chunks of 64 tiles"
    benchmark.pedantic(step, rounds=5, warmup_rounds=1)
