"""Slides shared between several devices."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch

from harness.core.errors import DataError
from harness.encoders import TileEncoder, build_encoder
from harness.features.cost import cost_of
from harness.features.extract import extract_features

from .conftest import RandomTiles

COUNTS = {f"s{number}": 3 + number for number in range(8)}


def test_two_devices_make_what_one_makes(tmp_path: Path) -> None:
    encoder = build_encoder("conv64", tile_px=32, seed=0)
    both, readers = threading.Barrier(2, timeout=60), set()

    def meet(slide: str) -> None:
        if threading.get_ident() not in readers:  # the first slide of each device waits for that of the other
            readers.add(threading.get_ident())
            both.wait()

    bags = RandomTiles(COUNTS, on_read=meet)
    alone = extract_features(RandomTiles(COUNTS), encoder, tmp_path / "one", batch=16)
    shared = extract_features(bags, encoder, tmp_path / "two", batch=16, devices=2)
    assert shared.content_sha256() == alone.content_sha256()
    assert cost_of(tmp_path / "two")["gpu_count"] == 0


def test_what_fails_on_one_device_ends_the_other_and_is_continued(tmp_path: Path) -> None:
    def fail(slide: str) -> None:
        if slide == "s3":
            raise DataError("broken tile", place="slide s3", fix="restore it")

    encoder = build_encoder("conv64", tile_px=32, seed=0)
    with pytest.raises(DataError, match="broken tile"):
        extract_features(RandomTiles(COUNTS, on_read=fail), encoder, tmp_path / "set", devices=2)
    read: list[str] = []
    store = extract_features(RandomTiles(COUNTS, on_read=read.append), encoder, tmp_path / "set", devices=2)
    assert set(store.slides) == set(COUNTS) and "s0" not in read


def test_another_width_than_the_encoders_names_the_pooling_that_it_looks_like(tmp_path: Path) -> None:
    body = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 2560))
    half = (0.5, 0.5, 0.5)
    encoder = TileEncoder(body, name="virchow2@cls", dim=1280, mean=half, std=half)
    with pytest.raises(DataError, match=r"2560: the width of virchow2@cls\+mean"):
        extract_features(RandomTiles({"a": 3}), encoder, tmp_path)
    encoder.name = "mine"
    with pytest.raises(DataError, match="2560 columns, and says 1280"):
        extract_features(RandomTiles({"a": 3}), encoder, tmp_path / "other")
