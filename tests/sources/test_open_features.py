from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from harness.core.errors import DataError
from harness.datasets import content as module
from harness.features.manifest import FeatureKey, Header
from harness.features.store import FeatureStore
from harness.features.writer import FeatureWriter
from harness.sources.open_features import check_store

COORDS = {name: np.arange(8, dtype=np.int64).reshape(4, 2) + k for k, name in enumerate("ab")}
BAGS = SimpleNamespace(ids=("a", "b"), coords=lambda bag: COORDS["ab"[bag]])


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    monkeypatch.setattr(module, "_COARSE_NS", 0)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    header = Header(FeatureKey("conv64", "0", 1.0, 32), 3, "float32", "fp32", "0")
    with FeatureWriter(tmp_path / "store", header) as writer:
        for name, coords in COORDS.items():
            writer.append(name, np.random.default_rng(0).random((4, 3)), coords, fingerprint="")
        return FeatureStore(tmp_path / "store", writer.finish())


def _edit(path: Path) -> None:
    """Another byte in the second half, under the same size and modification time."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_store_is_read_whole_once(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    check_store(store, BAGS)
    monkeypatch.setattr(FeatureStore, "verify", lambda *_: pytest.fail("it was read again"))
    check_store(store, BAGS)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("seen", [False, True])
def test_a_changed_byte_of_features_or_positions_names_the_slide(store: FeatureStore, number: int, seen: bool) -> None:
    if seen:
        check_store(store, BAGS)
    _edit(store.files[number])
    for _ in range(2):
        with pytest.raises(DataError, match=r"changed on disk .*: b ") as caught:
            check_store(FeatureStore(store.folder, store.manifest), BAGS)
        assert str(store.folder) in caught.value.place


def test_taking_a_finished_store_up_leaves_its_files_as_they_are(store: FeatureStore) -> None:
    before = [module.FileStatus.of(path) for path in store.files]
    with FeatureWriter(store.folder, store.manifest.header) as writer:
        writer.finish()
    assert [module.FileStatus.of(path) for path in store.files] == before
