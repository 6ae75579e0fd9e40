"""Extraction: the encoder's own output, frozen; resumed after a kill; nothing made twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.core.errors import DataError, MethodError
from harness.encoders import build_encoder, weights_sha256
from harness.features import FeatureStore
from harness.features.extract import extract_features, feature_key
from harness.features.store import COORDS, FEATURES

from .conftest import RandomTiles

COUNTS = {"a": 5, "b": 11, "c": 1, "d": 4}


def test_features_are_those_of_the_encoder_in_evaluation_mode(tmp_path: Path) -> None:
    bags, encoder = RandomTiles(COUNTS), build_encoder("conv64", tile_px=32, seed=0)
    encoder.train()
    before = weights_sha256(encoder)
    store = extract_features(bags, encoder, tmp_path, batch=4, dtype="float32")
    assert encoder.training, "its mode is restored"
    assert weights_sha256(encoder) == before, "running statistics are frozen"
    encoder.eval()
    for bag, slide in enumerate(bags.ids):
        with torch.no_grad():
            expected = encoder.encode(bags.read(bag)).numpy()
        np.testing.assert_allclose(store.bag(slide), expected, atol=1e-5)
        np.testing.assert_array_equal(store.coords(slide), bags.coords(bag))
    assert store.key == feature_key(bags, encoder)
    assert store.key.weights_sha256 == before
    assert set(store.seconds) == {"read", "encode"}
    assert all(seconds > 0 for seconds in store.seconds.values())


def test_half_precision_on_disk_is_the_rounded_feature(tmp_path: Path) -> None:
    bags, encoder = RandomTiles({"a": 6}), build_encoder("conv64", tile_px=32, seed=0)
    full = extract_features(bags, encoder, tmp_path / "32", dtype="float32").bag("a")
    half = extract_features(bags, encoder, tmp_path / "16").bag("a")
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, full.astype(np.float16))


def test_what_is_there_is_not_read_again(tmp_path: Path) -> None:
    read: list[str] = []
    encoder = build_encoder("conv64", tile_px=32, seed=0)
    extract_features(RandomTiles({slide: COUNTS[slide] for slide in "ab"}), encoder, tmp_path)
    bags = RandomTiles(COUNTS, on_read=read.append)
    store = extract_features(bags, encoder, tmp_path)
    assert read == ["c", "d"]
    assert {slide: store.count(slide) for slide in store.slides} == COUNTS


def test_changed_slides_and_positions_are_made_again(tmp_path: Path) -> None:
    read: list[str] = []
    encoder = build_encoder("conv64", tile_px=32, seed=0)
    bags = RandomTiles({"a": 5, "b": 3}, on_read=read.append)
    extract_features(bags, encoder, tmp_path, fingerprints={"a": "1", "b": "1"})
    read.clear()
    extract_features(bags, encoder, tmp_path, fingerprints={"a": "2", "b": "1"})
    assert read == ["a"]
    bags.shift = 7  # other tissue settings laid another grid
    store = extract_features(bags, encoder, tmp_path, fingerprints={"a": "2", "b": "1"})
    assert read == ["a", "a", "b"]
    coords = store.coords("b")
    assert coords is not None
    assert int(coords[0, 0]) == 7


def test_a_finished_store_is_used_from_a_read_only_folder(tmp_path: Path) -> None:
    read: list[str] = []
    encoder = build_encoder("conv64", tile_px=32, seed=0)
    extract_features(RandomTiles(COUNTS), encoder, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    extract_features(RandomTiles(COUNTS, on_read=read.append), encoder, tmp_path)
    assert not read
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times


def test_another_encoder_or_provenance_is_refused(tmp_path: Path) -> None:
    bags, encoder = RandomTiles({"a": 5}), build_encoder("conv64", tile_px=32, seed=0)
    extract_features(bags, encoder, tmp_path, provenance={"fold": 0, "trained_on": ("x", "y")})
    extract_features(bags, encoder, tmp_path, provenance={"fold": 0, "trained_on": ("x", "y")})
    with pytest.raises(DataError, match="provenance"):
        extract_features(bags, encoder, tmp_path, provenance={"fold": 1})
    with pytest.raises(DataError, match="weights_sha256"):
        extract_features(bags, build_encoder("conv64", tile_px=32, seed=1), tmp_path)
    with pytest.raises(DataError, match="tile_px"):
        extract_features(RandomTiles({"a": 5}, side=40), encoder, tmp_path)


def test_a_cut_file_is_repaired(tmp_path: Path) -> None:
    bags, encoder = RandomTiles(COUNTS), build_encoder("conv64", tile_px=32, seed=0)
    whole = extract_features(bags, encoder, tmp_path).content_sha256()
    path = tmp_path / FEATURES
    os.truncate(path, path.stat().st_size // 2)
    assert extract_features(bags, encoder, tmp_path).content_sha256() == whole


def test_a_diverged_encoder_names_the_slide(tmp_path: Path) -> None:
    encoder = build_encoder("conv64", tile_px=32, seed=0)
    with torch.no_grad():
        next(encoder.parameters()).fill_(torch.nan)
    with pytest.raises(DataError, match="not finite") as caught:
        extract_features(RandomTiles({"tumor_1": 3}), encoder, tmp_path)
    assert "tumor_1" in caught.value.place


def test_empty_slides_and_feature_bags_are_refused(tmp_path: Path) -> None:
    encoder = build_encoder("conv64", tile_px=32, seed=0)
    with pytest.raises(DataError, match="no tiles"):
        extract_features(RandomTiles({"a": 3, "b": 0}), encoder, tmp_path)
    bags = RandomTiles({"a": 3})
    bags.kind = "features"
    with pytest.raises(MethodError):
        extract_features(bags, encoder, tmp_path)


def test_a_reader_that_fails_stops_the_extraction_and_keeps_what_is_done(tmp_path: Path) -> None:
    def fail(slide: str) -> None:
        if slide == "c":
            raise DataError("broken tile", place="slide c", fix="restore it")

    encoder = build_encoder("conv64", tile_px=32, seed=0)
    with pytest.raises(DataError, match="broken tile"):
        extract_features(RandomTiles(COUNTS, on_read=fail), encoder, tmp_path)
    read: list[str] = []
    extract_features(RandomTiles(COUNTS, on_read=read.append), encoder, tmp_path)
    assert "a" not in read


_KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from tests.features.conftest import RandomTiles
from tests.features.test_extract import COUNTS
from harness.encoders import build_encoder
from harness.features import writer
from harness.features.extract import extract_features

append, calls = writer.FeatureWriter._write, []

def die_in_the_third_slide(self, name, start, rows):
    calls.append(name)
    if len(calls) == 5:
        append(self, name, start, rows[:1])  # part of it reaches the disk
        os.kill(os.getpid(), signal.SIGKILL)
    append(self, name, start, rows)

writer.FeatureWriter._write = die_in_the_third_slide
extract_features(RandomTiles(COUNTS), build_encoder("conv64", tile_px=32, seed=0), Path(sys.argv[2]), batch=4)
"""


def test_after_kill_9_it_goes_on_and_ends_bit_for_bit_the_same(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", _KILLED, str(root), str(tmp_path / "killed")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=root)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with pytest.raises(DataError, match="no finished features"):
        FeatureStore.open(tmp_path / "killed")
    read: list[str] = []
    encoder = build_encoder("conv64", tile_px=32, seed=0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        extract_features(RandomTiles(COUNTS, on_read=read.append), encoder, tmp_path / "killed", batch=4)
        extract_features(RandomTiles(COUNTS), encoder, tmp_path / "whole", batch=4)
    finally:
        torch.set_num_threads(threads)
    assert set(read) == {"c", "d"}
    for name in (FEATURES, COORDS):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
