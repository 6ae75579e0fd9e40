"""Encoders by name: sizes, weights from a seed, weights that cannot be had."""

from __future__ import annotations

import socket
import time

import numpy as np
import pytest
import torch

from harness.core.errors import DataError, UsageError
from harness.encoders import TileEncoder, build_encoder, weights_sha256


def _millions(encoder: TileEncoder) -> float:
    return sum(p.numel() for p in encoder.parameters()) / 1e6


@pytest.mark.parametrize(
    ("name", "dim", "millions"),
    [
        ("random:resnet18.tv_in1k@layer3", 256, 2.78),
        ("random:resnet50.tv2_in1k@layer3", 1024, 8.54),
        ("random:resnet18", 512, 11.18),
        ("random:resnet18@layer4", 512, 11.18),
    ],
)
def test_widths_and_parameter_counts(name: str, dim: int, millions: float) -> None:
    encoder = build_encoder(name, tile_px=64, seed=0)
    assert encoder.dim == dim
    assert round(_millions(encoder), 2) == millions
    features = encoder.eval().encode(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert features.shape == (2, dim)


def test_a_cut_behind_the_last_stage_equals_the_whole_network() -> None:
    tiles = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole = build_encoder("random:resnet18", tile_px=64, seed=3).eval()
    cut = build_encoder("random:resnet18@layer4", tile_px=64, seed=3).eval()
    torch.testing.assert_close(cut.encode(tiles), whole.encode(tiles))


def test_the_cut_feature_map_has_stride_16() -> None:
    encoder = build_encoder("random:resnet18@layer3", tile_px=64, seed=0).eval()
    seen = []
    encoder.body.get_submodule("layer3").register_forward_hook(lambda module, inputs, output: seen.append(output))
    encoder.encode(torch.zeros(1, 3, 224, 224, dtype=torch.uint8))
    assert seen[0].shape == (1, 256, 14, 14)


@pytest.mark.parametrize("name", ["conv27", "conv64", "random:resnet18@layer1"])
def test_weights_are_a_function_of_name_and_seed(name: str) -> None:
    side = 27 if name == "conv27" else 64
    torch.manual_seed(11)
    first = weights_sha256(build_encoder(name, tile_px=side, seed=5))
    torch.manual_seed(12)
    np.random.seed(12)
    assert weights_sha256(build_encoder(name, tile_px=side, seed=5)) == first
    assert weights_sha256(build_encoder(name, tile_px=side, seed=6)) != first


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    build_encoder("random:resnet18@layer1", tile_px=64, seed=0)
    build_encoder("conv64", tile_px=64, seed=0)
    assert torch.equal(torch.rand(3), expected)


def test_the_hash_sees_weights_and_buffers_but_not_mode_or_memory_format() -> None:
    encoder = build_encoder("conv64", tile_px=64, seed=0)
    before = weights_sha256(encoder)
    assert weights_sha256(encoder.eval()) == before
    assert weights_sha256(encoder.to(memory_format=torch.contiguous_format)) == before
    encoder.train().encode(torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8))
    after = weights_sha256(encoder)
    assert after != before, "running statistics have moved"
    with torch.no_grad():
        next(encoder.parameters()).view(-1)[0] += 1
    assert weights_sha256(encoder) != after


@pytest.mark.parametrize(
    ("name", "side", "nearest"),
    [
        ("resnet81", 64, "resnet18"),
        ("conv63", 64, "conv64"),
        ("resnet18.tv_inlk", 64, "resnet18.tv_in1k"),
        ("random:resnet18.tv_inlk", 64, "resnet18.tv_in1k"),
        ("conv27", 64, "conv64"),
        ("conv64", 27, "conv27"),
        ("conv64@layer1", 64, "conv64"),
        ("random:vit_tiny_patch16_224@layer2", 224, "resnet18.tv_in1k@layer2"),
    ],
)
def test_wrong_names_and_sizes_are_answered_with_the_right_one(name: str, side: int, nearest: str) -> None:
    with pytest.raises(UsageError) as caught:
        build_encoder(name, tile_px=side, seed=0)
    assert nearest in caught.value.fix
    assert name in caught.value.place


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """No network and an empty cache, whatever the machine has."""
    from huggingface_hub import constants

    def unreachable(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for key in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(key, raising=False)


@pytest.mark.usefixtures("offline")
def test_without_a_network_the_error_comes_at_once_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    with pytest.raises(DataError) as caught:
        build_encoder("resnet18.tv_in1k@layer3", tile_px=224, seed=0)
    assert "file:resnet18.tv_in1k@layer3=PATH" in caught.value.fix
    assert "random:resnet18.tv_in1k@layer3" in caught.value.fix
    assert "resnet18.tv_in1k@layer3" in caught.value.place
    assert naps == [], "the hub's retries were not skipped"
    with pytest.raises(DataError, match="cannot be downloaded"):
        build_encoder("hf-hub:nobody/nothing", tile_px=224, seed=0)


def test_a_network_that_timm_cannot_build_is_not_called_a_download_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    def broken(*args: object, **kwargs: object) -> None:
        raise TypeError("unexpected keyword 'depth'")

    monkeypatch.setattr(timm, "create_model", broken)
    with pytest.raises(DataError, match=r"timm cannot build resnet18\.tv_in1k: unexpected keyword"):
        build_encoder("resnet18.tv_in1k", tile_px=224, seed=0)
